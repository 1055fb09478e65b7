package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments/paystack"
)

// succeeded is Paystack's word for a paid transaction.
const succeeded = "success"

// charged tells a success. Paystack has no event for a failure.
func (f paystackFacade) charged(tx Transaction, _ bool) []event {
	if tx.State != StatePaid {
		return nil
	}
	c := paystackCharge(tx)
	c.Status = succeeded // Also when it was given back meanwhile.
	return []event{{name: paystack.EventChargeSuccess, charge: true, body: paystackBody(paystack.EventChargeSuccess, c.data())}}
}

// refunded tells the three steps of a refund.
func (f paystackFacade) refunded(tx Transaction, r Refund) (out []event) {
	for _, step := range []string{"pending", "processing", "processed"} {
		data := map[string]any{
			"status": step, "transaction_reference": tx.Reference, "refund_reference": nil, "amount": strconv.FormatInt(r.Amount.Minor, 10),
			"currency": r.Amount.Currency, "processor": "mpgs_zen", "customer": map[string]any{"first_name": nil, "last_name": nil, "email": tx.Email},
			"integration": integration, "domain": "test",
		}
		if step == "processed" { // Only now the bank has given it a reference.
			data["refund_reference"] = strconv.FormatInt(r.ID, 10)
		}
		out = append(out, event{name: "refund." + step, body: paystackBody("refund."+step, data)})
	}
	return out
}

func (f paystackFacade) disputed(tx Transaction, d Dispute) []event {
	name, status, resolution := "charge.dispute.create", "awaiting-merchant-feedback", any(nil)
	if !d.Open() {
		name, status, resolution = "charge.dispute.resolve", "resolved", "merchant-accepted"
		if d.Won {
			resolution = "declined"
		}
	}
	c := paystackCharge(tx)
	c.Status = succeeded
	data := map[string]any{
		"id": d.ID, "refund_amount": d.Amount.Minor, "currency": d.Amount.Currency, "status": status, "resolution": resolution, "domain": "test",
		"transaction": c.data(), "transaction_reference": nil, "category": "chargeback", "customer": c.data().Customer, "bin": "055XXX", "last4": "X149",
		"dueAt": d.CreatedAt.Add(48 * time.Hour), "resolvedAt": nil, "evidence": nil, "attachments": "", "note": nil, "history": []any{}, "messages": []any{},
		"created_at": d.CreatedAt, "updated_at": d.CreatedAt,
	}
	if !d.Open() {
		data["resolvedAt"], data["updated_at"] = d.ClosedAt, d.ClosedAt
	}
	return []event{{name: name, body: paystackBody(name, data)}}
}

func (f paystackFacade) sign(body []byte, _ time.Time) http.Header {
	return paystackHeader(f.s.cfg.SecretKey, body)
}

func paystackHeader(key paystack.SecretKey, body []byte) http.Header {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Paystack-Simulator")
	header.Set(paystack.SignatureHeader, paystack.Sign(key, body))
	return header
}

// paystackBody panics if data holds metadata that is not JSON; what the API takes is.
func paystackBody(name string, data any) []byte {
	body, err := json.Marshal(struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{name, data})
	if err != nil {
		panic(fmt.Sprintf("webhook metadata is not JSON: %v", err))
	}
	return body
}

// integration is the number of the merchant's account.
const integration = 412829

// paystackStatus is Paystack's word for the state of a transaction.
func paystackStatus(tx Transaction) string {
	switch {
	case tx.State == StateFailed:
		return "failed"
	case tx.State == StateOpen:
		return "abandoned"
	case tx.Paid.Positive() && tx.refunded() == tx.Paid:
		return "reversed"
	default:
		return succeeded
	}
}

func paystackCharge(tx Transaction) Charge {
	return Charge{
		TransactionID: tx.ID, Reference: tx.Reference, Amount: tx.shown(), Requested: tx.Requested, Status: paystackStatus(tx),
		PaidAt: tx.PaidAt, CreatedAt: tx.CreatedAt, Email: tx.Email, Metadata: tx.Metadata,
	}
}

// paystackRefund is a refund as the list shows it once it is through.
func paystackRefund(tx Transaction, r Refund) map[string]any {
	return map[string]any{
		"id": r.ID, "integration": integration, "domain": "test", "transaction": tx.ID, "transaction_reference": tx.Reference, "dispute": nil, "settlement": nil,
		"amount": r.Amount.Minor, "deducted_amount": r.Amount.Minor, "fully_deducted": true, "currency": r.Amount.Currency, "channel": "mobile_money",
		"status": "processed", "refunded_by": "merchant@example.com", "refunded_at": r.CreatedAt, "expected_at": r.CreatedAt.Add(72 * time.Hour),
		"customer_note": "Refund for transaction " + tx.Reference, "merchant_note": r.Reason, "createdAt": r.CreatedAt, "updatedAt": r.CreatedAt,
	}
}

// Charge describes one webhook. Zero fields are filled with what a plain successful payment has.
type Charge struct {
	Event         string       // Empty means charge.success.
	TransactionID int64        // Zero means 1.
	Reference     string       // Ours.
	Amount        money.Amount // What was taken.
	Requested     money.Amount // What was asked for; zero value means Amount.
	Status        string       // Paystack's word; empty means "success".
	Email         string       // Empty means customer@example.com.
	PaidAt        time.Time    // Zero means null, as for a payment that did not happen.
	CreatedAt     time.Time    // Zero means PaidAt.
	Metadata      json.RawMessage
}

// SignedWebhook returns the body and the headers of a webhook as Paystack would send them for c, signed with key. It panics if Metadata is not JSON.
func SignedWebhook(key paystack.SecretKey, c Charge) (body []byte, header http.Header) {
	if c.Event == "" {
		c.Event = paystack.EventChargeSuccess
	}
	body = paystackBody(c.Event, c.data())
	return body, paystackHeader(key, body)
}

// transactionJSON is a transaction as Paystack's documentation shows it, in webhooks and in verify's answer. Members that the product ignores are
// there so that parsers meet a body of realistic size and shape.
type transactionJSON struct {
	ID              int64           `json:"id"`
	Domain          string          `json:"domain"`
	Status          string          `json:"status"`
	Reference       string          `json:"reference"`
	Amount          int64           `json:"amount"`
	Message         *string         `json:"message"`
	GatewayResponse string          `json:"gateway_response"`
	PaidAt          *time.Time      `json:"paid_at"`
	CreatedAt       time.Time       `json:"created_at"`
	Channel         string          `json:"channel"`
	Currency        money.Currency  `json:"currency"`
	IPAddress       string          `json:"ip_address"`
	Metadata        json.RawMessage `json:"metadata"`
	Log             logJSON         `json:"log"`
	Fees            int64           `json:"fees"`
	Customer        customerJSON    `json:"customer"`
	Authorization   map[string]any  `json:"authorization"`
	Plan            struct{}        `json:"plan"`
	RequestedAmount int64           `json:"requested_amount"`
}

type customerJSON struct {
	ID           int64   `json:"id"`
	FirstName    *string `json:"first_name"`
	LastName     *string `json:"last_name"`
	Email        string  `json:"email"`
	CustomerCode string  `json:"customer_code"`
	Phone        *string `json:"phone"`
	RiskAction   string  `json:"risk_action"`
}

type logJSON struct {
	TimeSpent int              `json:"time_spent"`
	Attempts  int              `json:"attempts"`
	Errors    int              `json:"errors"`
	Success   bool             `json:"success"`
	Mobile    bool             `json:"mobile"`
	Input     []string         `json:"input"`
	History   []map[string]any `json:"history"`
}

func (c Charge) data() transactionJSON {
	if c.TransactionID == 0 {
		c.TransactionID = 1
	}
	if c.Status == "" {
		c.Status = succeeded
	}
	if c.Email == "" {
		c.Email = "customer@example.com"
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = c.PaidAt
	}
	if c.Requested == (money.Amount{}) {
		c.Requested = c.Amount
	}
	out := transactionJSON{
		ID: c.TransactionID, Domain: "test", Status: c.Status, Reference: c.Reference, Amount: c.Amount.Minor, Currency: c.Amount.Currency,
		GatewayResponse: gatewayResponse(c.Status), CreatedAt: c.CreatedAt, Channel: "mobile_money", IPAddress: "192.0.2.7", Metadata: c.Metadata,
		Log: logJSON{TimeSpent: 9, Attempts: 1, Success: c.Status == succeeded, Input: []string{}, History: []map[string]any{
			{"type": "action", "message": "Attempted to pay with mobile money", "time": 7},
			{"type": "success", "message": "Successfully paid with mobile money", "time": 9},
		}},
		Customer: customerJSON{ID: 84312, Email: c.Email, CustomerCode: "CUS_simulator", RiskAction: "default"},
		Authorization: map[string]any{
			"authorization_code": "AUTH_simulator", "bin": "055XXX", "last4": "X149", "exp_month": "12", "exp_year": "2030", "channel": "mobile_money",
			"card_type": "", "bank": "MTN", "country_code": "GH", "brand": "Mtn", "reusable": false, "signature": nil, "account_name": nil,
		},
		RequestedAmount: c.Requested.Minor,
	}
	if !c.PaidAt.IsZero() {
		out.PaidAt = &c.PaidAt
	}
	return out
}

func gatewayResponse(status string) string {
	switch status {
	case succeeded:
		return "Approved"
	case "failed":
		return "Declined"
	default:
		return "The transaction was not completed"
	}
}
