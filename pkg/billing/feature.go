package billing

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// ErrUnknownFeature reports a feature that has no price on the day: it does not exist.
var ErrUnknownFeature = problem.New(problem.NotFound, "unknown_feature", "There is no such feature.")

// FeatureCostOn returns what one call of the feature costs on day. Only day's calendar date counts. Errors: ErrUnknownFeature. Any scope.
func FeatureCostOn(tx *gorm.DB, feature string, day time.Time) (cost money.Credits, err error) {
	err = query(tx, "read feature price", `
		select credits from billing.feature_price
		 where feature = $1 and effective_from <= $2::date and (effective_until is null or effective_until >= $2::date)
		 order by effective_from desc limit 1`,
		func(rows pgx.Rows) error { return rows.Scan(&cost) }, feature, day.Format(time.DateOnly))
	if err == nil && cost == 0 {
		err = fmt.Errorf("price of feature %.60q: %w", feature, ErrUnknownFeature)
	}
	return cost, err
}

// Availability says whether one call of a feature can be paid for now.
type Availability struct {
	Feature string
	// Cost is the price of one call, Balance what may be spent, Shortage what is missing: zero when Available.
	Cost, Balance, Shortage money.Credits
	Available               bool
}

// FeatureAvailability compares the price of the feature on day with what the transaction's tenant may spend now. It promises nothing: only Reserve does.
// Errors: ErrUnknownFeature.
func FeatureAvailability(tx *gorm.DB, feature string, day time.Time) (*Availability, error) {
	cost, err := FeatureCostOn(tx, feature, day)
	if err != nil {
		return nil, err
	}
	b, err := Balance(tx)
	if err != nil {
		return nil, err
	}
	return &Availability{Feature: feature, Cost: cost, Balance: b.Total, Shortage: max(0, cost-b.Total), Available: b.Total >= cost}, nil
}
