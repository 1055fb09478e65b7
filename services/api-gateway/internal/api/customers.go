package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/pkg/sales"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// errCredit reports a cashier who wants to say how much a customer may owe.
var errCredit = problem.New(problem.Forbidden, "permission_missing", "Only who manages customers may decide on their credit.")

// ListCustomers pages through the customers of a business.
func (s *Server) ListCustomers(ctx context.Context, req gen.ListCustomersRequestObject) (gen.ListCustomersResponseObject, error) {
	before, _, err := decodeCursor(cursorCustomers, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := sales.CustomerFilter{
		Before: before, Limit: pageSize(req.Params.Limit), Q: value(req.Params.Q), Type: (*sales.Type)(req.Params.Type), Active: req.Params.IsActive, HasOutstanding: req.Params.HasOutstanding,
	}
	var list []*sales.Customer
	err = s.atTill(ctx, func(t *till) (err error) {
		list, err = sales.ListCustomers(t.tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.CustomerPage{Items: []gen.Customer{}}
	if len(list) == f.Limit {
		page.NextCursor = encodeCursor(cursorCustomers, list[f.Limit-1].ID, 0)
	}
	for _, c := range list {
		page.Items = append(page.Items, customerBody(c))
	}
	return gen.ListCustomers200JSONResponse(page), nil
}

// CreateCustomer makes a customer, or finds the one who has the phone number.
func (s *Server) CreateCustomer(ctx context.Context, req gen.CreateCustomerRequestObject) (gen.CreateCustomerResponseObject, error) {
	b := req.Body
	d := sales.CustomerChange{
		Name: &b.Name, Email: optional(value(b.Email)), Phone: optional(value(b.Phone)), Address: b.Address, Type: (*sales.Type)(b.Type), TermsDays: b.CreditTermsDays, Blocked: b.CreditBlocked,
	}
	var c *sales.Customer
	made := true
	claim := once.From(ctx)
	err := s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			c, err = sales.CustomerByID(t.tx, id)
			return err
		}
		if d.LimitMinor, err = t.optionalMinor("credit_limit", b.CreditLimit); err != nil {
			return err
		}
		if d.Credit() && !auth.From(ctx).May(accounts.ManageCustomers) {
			return errCredit
		}
		if c, made, err = sales.CreateCustomer(t.tx, t.who, d); err != nil || !made {
			return err
		}
		return claim.Keep(t.tx, c.ID)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("make customer: %w", err)
	case !made:
		return gen.CreateCustomer200JSONResponse(customerBody(c)), nil
	}
	return gen.CreateCustomer201JSONResponse(customerBody(c)), nil
}

// GetCustomer shows one customer.
func (s *Server) GetCustomer(ctx context.Context, req gen.GetCustomerRequestObject) (gen.GetCustomerResponseObject, error) {
	var c *sales.Customer
	err := s.atTill(ctx, func(t *till) (err error) {
		c, err = sales.CustomerByID(t.tx, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetCustomer200JSONResponse(customerBody(c)), nil
}

// ChangeCustomer changes a customer.
func (s *Server) ChangeCustomer(ctx context.Context, req gen.ChangeCustomerRequestObject) (gen.ChangeCustomerResponseObject, error) {
	b := req.Body
	d := sales.CustomerChange{
		Name: b.Name, Email: b.Email, Phone: b.Phone, Address: b.Address, Type: (*sales.Type)(b.Type), TermsDays: b.CreditTermsDays, Blocked: b.CreditBlocked, Active: b.IsActive,
	}
	var c *sales.Customer
	err := s.atTill(ctx, func(t *till) (err error) {
		if d.LimitMinor, err = t.optionalMinor("credit_limit", b.CreditLimit); err != nil {
			return err
		}
		c, err = sales.ChangeCustomer(t.tx, t.who, req.ID, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("change customer: %w", err)
	}
	return gen.ChangeCustomer200JSONResponse(customerBody(c)), nil
}

// GetCreditStatus tells whether a customer may buy on credit.
func (s *Server) GetCreditStatus(ctx context.Context, req gen.GetCreditStatusRequestObject) (gen.GetCreditStatusResponseObject, error) {
	var st *sales.CreditStatus
	err := s.atTill(ctx, func(t *till) (err error) {
		st, err = sales.CreditOf(t.tx, req.ID, t.now)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := st.Customer
	body := gen.CreditStatus{
		CustomerID: c.ID, Currency: string(c.Currency), CreditLimit: c.Amount(c.LimitMinor).Decimal(), OutstandingBalance: c.Amount(c.Outstanding).Decimal(),
		AvailableCredit: c.Amount(c.Available()).Decimal(), OverdueBalance: c.Amount(st.OverdueMinor).Decimal(), CanPurchase: st.Reason == "", Reason: optional(string(st.Reason)),
	}
	if st.OldestDue != nil {
		body.OldestDueDate = &types.Date{Time: *st.OldestDue}
	}
	return gen.GetCreditStatus200JSONResponse(body), nil
}

// PayCustomer takes a payment on account.
func (s *Server) PayCustomer(ctx context.Context, req gen.PayCustomerRequestObject) (gen.PayCustomerResponseObject, error) {
	var p *sales.Payment
	var c *sales.Customer
	claim := once.From(ctx)
	err := s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			p, err = sales.PaymentByID(t.tx, id)
		} else {
			var tender sales.Tender
			if tender, err = t.tender("amount", string(req.Body.Method), req.Body.Amount, req.Body.Reference); err != nil {
				return err
			}
			if p, err = sales.PayAccount(t.tx, t.who, req.ID, tender, t.now); err == nil {
				err = claim.Keep(t.tx, p.ID)
			}
		}
		if err != nil {
			return err
		}
		c, err = sales.CustomerByID(t.tx, req.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take payment on account: %w", err)
	}
	return gen.PayCustomer201JSONResponse{Payment: paymentBody(*p), Customer: customerBody(c)}, nil
}

func customerBody(c *sales.Customer) gen.Customer {
	return gen.Customer{
		ID: c.ID, Name: c.Name, Email: c.Email, Phone: c.Phone, Address: c.Address, Type: gen.CustomerType(c.Type), Currency: string(c.Currency), CreditLimit: c.Amount(c.LimitMinor).Decimal(),
		OutstandingBalance: c.Amount(c.Outstanding).Decimal(), AvailableCredit: c.Amount(c.Available()).Decimal(), CreditTermsDays: c.TermsDays, CreditBlocked: c.Blocked, IsWalkIn: c.WalkIn,
		IsActive: c.Active, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}
