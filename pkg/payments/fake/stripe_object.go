package fake

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The objects are shown as Stripe's documentation shows them, as far as payments by checkout session go.

// sessionStatus is Stripe's word for the state of a session.
func sessionStatus(tx Transaction) string {
	if tx.State == StatePaid || tx.completed {
		return "complete"
	}
	return "open"
}

// session shows tx as a checkout session. The payment intent comes to be when the customer acts.
func (f *stripeFacade) session(tx Transaction, expand expansion) (map[string]any, error) {
	if err := expand.check("payment_intent"); err != nil {
		return nil, err
	}
	paid, amount := "unpaid", tx.shown()
	if tx.State == StatePaid {
		paid = "paid"
	}
	expires := tx.expiresAt
	if expires.IsZero() {
		expires = tx.CreatedAt.Add(24 * time.Hour)
	}
	out := map[string]any{
		"id": tx.AccessCode, "object": "checkout.session", "amount_subtotal": amount.Minor, "amount_total": amount.Minor,
		"currency": lower(amount.Currency), "cancel_url": orNull(tx.CancelURL), "client_reference_id": orNull(tx.Reference), "created": tx.CreatedAt.Unix(),
		"customer": nil, "customer_email": orNull(tx.Email), "customer_details": nil, "expires_at": expires.Unix(), "livemode": false,
		"metadata": orEmpty(tx.Metadata), "mode": "payment", "payment_intent": nil, "payment_method_types": []string{"card"}, "payment_status": paid,
		"status": sessionStatus(tx), "success_url": tx.ReturnURL, "ui_mode": "hosted", "url": tx.page + tx.AccessCode,
		"total_details": map[string]int{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}, "automatic_tax": map[string]any{"enabled": false, "status": nil},
	}
	if sessionStatus(tx) == "complete" {
		out["url"] = nil
		out["customer_details"] = map[string]any{"email": orNull(tx.Email), "name": "Anonymous customer", "phone": nil, "address": nil}
	}
	if tx.State != StateOpen || tx.completed {
		out["payment_intent"] = stripeID("pi_", tx.ID)
		if expand.has("payment_intent") {
			intent, err := f.paymentIntent(tx, expand.inside("payment_intent"))
			if err != nil {
				return nil, err
			}
			out["payment_intent"] = intent
		}
	}
	return out, nil
}

// paymentIntent shows tx as a payment intent.
func (f *stripeFacade) paymentIntent(tx Transaction, expand expansion) (map[string]any, error) {
	if err := expand.check("latest_charge"); err != nil {
		return nil, err
	}
	amount := tx.shown()
	out := map[string]any{
		"id": stripeID("pi_", tx.ID), "object": "payment_intent", "amount": amount.Minor, "amount_capturable": 0, "amount_received": int64(0),
		"capture_method": "automatic", "created": tx.CreatedAt.Unix(), "currency": lower(amount.Currency), "customer": nil, "description": nil,
		"latest_charge": nil, "livemode": false, "metadata": orEmpty(tx.PaymentMetadata), "payment_method_types": []string{"card"}, "status": "requires_payment_method",
	}
	if tx.State != StatePaid {
		return out, nil
	}
	out["status"], out["amount_received"], out["latest_charge"] = "succeeded", amount.Minor, stripeID("ch_", tx.ID)
	if expand.has("latest_charge") {
		out["latest_charge"] = f.charge(tx)
	}
	return out, nil
}

// charge shows a paid tx as a charge. It carries the payment intent's metadata, not the session's.
func (f *stripeFacade) charge(tx Transaction) map[string]any {
	refunded := tx.refunded()
	return map[string]any{
		"id": stripeID("ch_", tx.ID), "object": "charge", "amount": tx.Paid.Minor, "amount_captured": tx.Paid.Minor, "amount_refunded": refunded.Minor,
		"balance_transaction": stripeID("txn_", tx.ID), "billing_details": map[string]any{"email": orNull(tx.Email), "name": "Anonymous customer", "phone": nil, "address": nil},
		"captured": true, "created": tx.PaidAt.Unix(), "currency": lower(tx.Paid.Currency), "customer": nil, "description": nil, "disputed": len(tx.Disputes) > 0,
		"failure_code": nil, "failure_message": nil, "livemode": false, "metadata": orEmpty(tx.PaymentMetadata),
		"outcome":                map[string]any{"network_status": "approved_by_network", "risk_level": "normal", "seller_message": "Payment complete.", "type": "authorized"},
		"payment_method_details": map[string]any{"type": "card", "card": map[string]any{"brand": "visa", "country": "GH", "last4": "4242"}},
		"paid":                   true, "payment_intent": stripeID("pi_", tx.ID), "receipt_email": orNull(tx.Email), "refunded": refunded.Minor == tx.Paid.Minor, "status": "succeeded",
	}
}

func stripeRefund(tx Transaction, r Refund) map[string]any {
	return map[string]any{
		"id": stripeID("re_", r.ID), "object": "refund", "amount": r.Amount.Minor, "balance_transaction": stripeID("txn_", r.ID), "charge": stripeID("ch_", tx.ID),
		"created": r.CreatedAt.Unix(), "currency": lower(r.Amount.Currency), "destination_details": map[string]any{"type": "card"}, "metadata": orEmpty(r.Metadata),
		"payment_intent": stripeID("pi_", tx.ID), "reason": orNull(r.Reason), "receipt_number": nil, "status": "succeeded",
	}
}

func stripeDispute(tx Transaction, d Dispute) map[string]any {
	status := "needs_response"
	if !d.Open() {
		status = "lost"
		if d.Won {
			status = "won"
		}
	}
	return map[string]any{
		"id": stripeID("du_", d.ID), "object": "dispute", "amount": d.Amount.Minor, "balance_transactions": []any{}, "charge": stripeID("ch_", tx.ID),
		"created": d.CreatedAt.Unix(), "currency": lower(d.Amount.Currency), "evidence": map[string]any{},
		"evidence_details":     map[string]any{"due_by": d.CreatedAt.Add(7 * 24 * time.Hour).Unix(), "has_evidence": false, "past_due": false, "submission_count": 0},
		"is_charge_refundable": false, "livemode": false, "metadata": map[string]any{}, "payment_intent": stripeID("pi_", tx.ID), "reason": "fraudulent", "status": status,
	}
}

// charged tells of the session: at once, or with earlier in two steps as for a payment by bank transfer. A declined card is not told.
func (f *stripeFacade) charged(tx Transaction, earlier bool) []event {
	if !earlier {
		if tx.State != StatePaid {
			return nil
		}
		return []event{f.event("checkout.session.completed", f.sessionObject(tx))}
	}
	before := tx
	before.State, before.completed = StateOpen, true
	name := "checkout.session.async_payment_succeeded"
	if tx.State != StatePaid {
		name = "checkout.session.async_payment_failed"
	}
	tx.completed = true
	return []event{f.event("checkout.session.completed", f.sessionObject(before)), f.event(name, f.sessionObject(tx))}
}

func (f *stripeFacade) sessionObject(tx Transaction) map[string]any {
	object, err := f.session(tx, nil)
	if err != nil {
		panic(fmt.Sprintf("session without expansion: %v", err)) // Only an expansion can be refused.
	}
	return object
}

// refunded shows the charge, and what was refunded of it before; which refund it was has to be asked.
func (f *stripeFacade) refunded(tx Transaction, r Refund) []event {
	return []event{f.changed("charge.refunded", f.charge(tx), map[string]any{"amount_refunded": tx.refunded().Minor - r.Amount.Minor})}
}

func (f *stripeFacade) disputed(tx Transaction, d Dispute) []event {
	name := "charge.dispute.created"
	if !d.Open() {
		name = "charge.dispute.closed"
	}
	return []event{f.event(name, stripeDispute(tx, d))}
}

// event wraps an object as Stripe's webhooks carry it.
func (f *stripeFacade) event(name string, object map[string]any) event {
	return f.changed(name, object, nil)
}

// changed is event for an object that had other members before.
func (f *stripeFacade) changed(name string, object, previous map[string]any) event {
	data := map[string]any{"object": object}
	if previous != nil {
		data["previous_attributes"] = previous
	}
	f.versionMu.Lock()
	version := f.version
	f.versionMu.Unlock()
	body, err := json.Marshal(map[string]any{
		"id": stripeID("evt_", f.s.newID()), "object": "event", "api_version": version, "created": time.Now().Unix(), "data": data,
		"livemode": false, "pending_webhooks": 1, "request": map[string]any{"id": nil, "idempotency_key": nil}, "type": name,
	})
	if err != nil {
		panic(fmt.Sprintf("event cannot be encoded: %v", err)) // All of it is ours.
	}
	return event{name: name, body: body, charge: strings.HasPrefix(name, "checkout.session.")}
}

func lower[T ~string](text T) string { return strings.ToLower(string(text)) }

// orNull is text, or null for none.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// orEmpty is an object, empty for none.
func orEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
