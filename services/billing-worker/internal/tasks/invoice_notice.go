package tasks

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/notifications"
)

// invoiceLimit is how many invoices one run makes or reminds of.
const invoiceLimit = 500

// tellInvoices tells the owners of invoices that they are to be paid, or overdue, as each has been reminded of.
func (s *Subscriptions) tellInvoices(ctx context.Context, tx *gorm.DB, list []*billing.Invoice) error {
	tenants := make([]uuid.UUID, len(list))
	for i, v := range list {
		tenants[i] = v.Tenant
	}
	people, err := billing.Addressees(tx, tenants)
	if err != nil {
		return err
	}
	var messages []message
	for _, v := range list {
		if who, open := people[v.Tenant]; open {
			messages = append(messages, invoiceMessage(v, who))
		}
	}
	_, err = s.tellOwners(ctx, tx, messages)
	return err
}

func invoiceMessage(i *billing.Invoice, who billing.Addressee) message {
	key := "invoice:" + i.ID.String() + ":" + strconv.Itoa(i.Reminders)
	due := i.DueOn.Format("2 January 2006")
	n := notifications.Notice{
		Tenant: i.Tenant, Permission: string(accounts.ManagePayments), Kind: notifications.KindPaymentDue, Priority: notifications.High, Key: key, Link: subscriptionLink,
		Title: "The next month is to be paid by " + due, Body: "Invoice " + i.Number + " of " + i.Total.Display() + ". The month begins when you pay.",
		Data: map[string]any{"invoice_id": i.ID, "number": i.Number, "amount": i.Total.Decimal(), "currency": i.Total.Currency},
	}
	if i.Reminders > 0 {
		n.Kind, n.Priority, n.Title = notifications.KindPaymentOverdue, notifications.Critical, "An invoice is overdue"
		n.Body = "Invoice " + i.Number + " of " + i.Total.Display() + " was due on " + due + "."
	}
	mail := notifications.Invoice{
		Name: who.Name, Business: who.Business, Storefronts: i.Storefronts, Number: i.Number, PeriodStart: i.PeriodStart, PeriodEnd: i.PeriodEnd, Currency: i.Total.Currency,
		BaseMinor: i.Base.Minor, TotalMinor: i.Total.Minor, DueOn: i.DueOn.Format(time.DateOnly), Reminder: i.Reminders, Timezone: who.Timezone,
	}
	for _, t := range i.Taxes {
		mail.Taxes = append(mail.Taxes, notifications.Tax{Name: t.Name, BasisPoints: t.BasisPoints, AmountMinor: t.Amount.Minor})
	}
	mail.Charges = chargesOf(i.Charges)
	return message{notice: n, mail: notifications.Email{Tenant: i.Tenant, Key: key, To: who.Email, Content: mail}}
}
