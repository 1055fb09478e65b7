// Package demo buys credits on a running stack as a customer would: it registers a shop at the gateway, opens a purchase, pays it at the Paystack
// simulator, and waits until the credits and the mail have arrived.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// patience bounds each wait. On an idle machine the credits are there within 100 ms, the mail within a second.
const patience = 30 * time.Second

// Stack says where the servers are: base URLs of the gateway, the simulator and the mail viewer.
type Stack struct{ Gateway, Simulator, Mail string }

// Result is what was seen. Amounts are decimal strings, as the API gives them.
type Result struct {
	Business Business  `json:"business"`
	Packages []Package `json:"packages"`
	Purchase Purchase  `json:"purchase"`
	// Before and After are the balances in credits; Took is the time from paying to the higher balance.
	Before string        `json:"balance_before"`
	After  string        `json:"balance_after"`
	Took   time.Duration `json:"took_ns"`
	Ledger []Entry       `json:"ledger"`
	Mails  []Mail        `json:"mails"`
}

// Business is the registered shop.
type Business struct {
	ID    uuid.UUID `json:"id"`
	Name  string    `json:"name"`
	Email string    `json:"email"`
}

// Package is one offer, with the taxes of today.
type Package struct {
	Package     string `json:"package"`
	BaseAmount  string `json:"base_amount"`
	TotalTax    string `json:"total_tax"`
	TotalAmount string `json:"total_amount"`
	Currency    string `json:"currency"`
	Credits     string `json:"credits"`
	Bonus       string `json:"bonus_credits"`
}

// Purchase is the purchase once it is completed.
type Purchase struct {
	Package
	Reference        string     `json:"reference"`
	Status           string     `json:"status"`
	AuthorizationURL string     `json:"authorization_url"`
	CompletedAt      *time.Time `json:"completed_at"`
}

// Entry is one line of the ledger.
type Entry struct {
	Kind      string    `json:"kind"`
	Source    string    `json:"source"`
	Reference string    `json:"reference"`
	Delta     string    `json:"delta"`
	CreatedAt time.Time `json:"created_at"`
}

// Run makes the whole purchase. The error says which step did not work.
func Run(ctx context.Context, s Stack) (*Result, error) {
	gateway := newCaller("gateway", s.Gateway)
	r := &Result{}
	if err := register(ctx, gateway, r); err != nil {
		return nil, err
	}
	var packages struct{ Items []Package }
	if err := gateway.call(ctx, http.MethodGet, "/api/v1/ai/credits/packages", nil, nil, &packages); err != nil {
		return nil, err
	}
	r.Packages = packages.Items
	balance, err := readBalance(ctx, gateway)
	if err != nil {
		return nil, err
	}
	r.Before = balance
	if err := buy(ctx, gateway, newCaller("Paystack simulator", s.Simulator), r); err != nil {
		return nil, err
	}
	var ledger struct{ Items []Entry }
	if err := gateway.call(ctx, http.MethodGet, "/api/v1/ai/credits/ledger", nil, nil, &ledger); err != nil {
		return nil, err
	}
	r.Ledger = ledger.Items
	r.Mails, err = awaitMails(ctx, newCaller("mail viewer", s.Mail), r.Business.Email, r.Purchase.Reference)
	return r, err
}

// register makes a new owner and shop, so that the demonstration can run any number of times.
func register(ctx context.Context, gateway *caller, r *Result) error {
	mark := strings.ToLower(rand.Text()[:6])
	r.Business = Business{Name: "Demo Shop " + mark, Email: "demo-" + mark + "@makola.example"}
	in := map[string]string{"name": "Ama Mensah", "email": r.Business.Email, "password": rand.Text(), "business_name": r.Business.Name}
	var session struct {
		AccessToken string `json:"access_token"`
		Business    struct{ ID uuid.UUID }
	}
	if err := gateway.call(ctx, http.MethodPost, "/api/v1/auth/register", nil, in, &session); err != nil {
		return err
	}
	gateway.token, r.Business.ID = session.AccessToken, session.Business.ID
	return nil
}

// buy opens a purchase of the package value, pays it, and waits for the credits.
func buy(ctx context.Context, gateway, simulator *caller, r *Result) error {
	in := map[string]string{"package": "value", "method": "mobile_money"}
	once := map[string]string{"Idempotency-Key": rand.Text()}
	if err := gateway.call(ctx, http.MethodPost, "/api/v1/ai/credits/purchases", once, in, &r.Purchase); err != nil {
		return err
	}
	paid := time.Now()
	pay := map[string]string{"reference": r.Purchase.Reference, "mode": "pay"}
	if err := simulator.call(ctx, http.MethodPost, "/_control/pay", nil, pay, nil); err != nil {
		return err
	}
	err := await(ctx, "the arrival of the credits", patience, func(ctx context.Context) (_ bool, err error) {
		r.After, err = readBalance(ctx, gateway)
		return err == nil && r.After != r.Before, err
	})
	if err != nil {
		return err
	}
	r.Took = time.Since(paid)
	if err := gateway.call(ctx, http.MethodGet, "/api/v1/ai/credits/purchases/"+r.Purchase.Reference, nil, nil, &r.Purchase); err != nil {
		return err
	}
	if r.Purchase.Status != "completed" {
		return fmt.Errorf("the credits have arrived and purchase %s is %s", r.Purchase.Reference, r.Purchase.Status)
	}
	return nil
}

func readBalance(ctx context.Context, gateway *caller) (string, error) {
	var b struct{ Balance string }
	if err := gateway.call(ctx, http.MethodGet, "/api/v1/ai/credits/balance", nil, nil, &b); err != nil {
		return "", err
	}
	if b.Balance == "" {
		return "", errors.New("the gateway answered no balance")
	}
	return b.Balance, nil
}
