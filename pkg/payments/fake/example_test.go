package fake_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"makola/pkg/payments/fake"
)

// A test has the provider misbehave before it acts: here Paystack is told to refuse one verification, and the customer's webhook gets lost.
func Example() {
	sim, err := fake.New(fake.Config{})
	if err != nil {
		panic(err)
	}
	defer sim.Close()
	ask := func(method, path, body string) int {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+string(fake.DefaultSecretKey))
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		return w.Code
	}
	fmt.Println("initialize:", ask("POST", "/transaction/initialize", `{"email": "ama@example.com", "amount": 9600, "reference": "AI-1"}`))
	if _, err := sim.Inject(fake.Fault{Provider: fake.Paystack, Operation: fake.OpVerify, Kind: fake.Kind429, Times: 1, RetryAfter: 5}); err != nil {
		panic(err)
	}
	tx, err := sim.Pay("AI-1", fake.Lose)
	fmt.Println("paid:", tx.Paid.Display(), err)
	fmt.Println("verify:", ask("GET", "/transaction/verify/AI-1", ""))
	fmt.Println("verify:", ask("GET", "/transaction/verify/AI-1", ""))
	_, err = sim.Pay("AI-1", fake.Pay)
	fmt.Println("again:", errors.Is(err, fake.ErrAlreadyPaid))
	// Output:
	// initialize: 200
	// paid: GHS 96.00 <nil>
	// verify: 429
	// verify: 200
	// again: true
}
