package fake

import (
	"encoding/json"
	"errors"
	"net/http"
)

// controlPay lets tests and the demonstration act as the customer. It needs no key, like the page itself.
func (s *Simulator) controlPay(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Reference string `json:"reference"`
		Mode      Mode   `json:"mode"`
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_params", "want {\"reference\", \"mode\"}")
		return
	}
	if in.Mode == "" {
		in.Mode = Pay
	}
	tx, err := s.Pay(in.Reference, in.Mode)
	switch {
	case errors.Is(err, ErrUnknownReference):
		refuse(w, http.StatusNotFound, "transaction_not_found", err.Error())
	case errors.Is(err, ErrAlreadyPaid):
		refuse(w, http.StatusConflict, "already_paid", err.Error())
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_params", err.Error())
	default:
		grant(w, "Done: "+string(in.Mode), tx.charge().data())
	}
}

func (s *Simulator) controlDeliveries(w http.ResponseWriter, _ *http.Request) {
	grant(w, "Deliveries retrieved", s.Deliveries())
}
