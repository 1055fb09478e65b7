package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments/paystack"
)

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
	body, err := json.Marshal(struct {
		Event string          `json:"event"`
		Data  transactionJSON `json:"data"`
	}{c.Event, c.data()})
	if err != nil {
		panic(fmt.Sprintf("webhook metadata is not JSON: %v", err))
	}
	header = http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Paystack-Simulator")
	header.Set(paystack.SignatureHeader, paystack.Sign(key, body))
	return body, header
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
