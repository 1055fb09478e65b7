package billing

import (
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// The codes of the packages on sale.
const (
	PackageStarter = "starter"
	PackageValue   = "value"
	PackagePremium = "premium"
	// PackageCustom is any amount from MinCustomMinor: one credit for each cedi, no bonus.
	PackageCustom = "custom"
)

// MinCustomMinor is the smallest custom purchase before tax, in pesewas: GHS 10.00.
const MinCustomMinor = 10_00

// MaxCustomMinor is the largest custom purchase before tax, in pesewas: GHS 100,000.00. No shop buys more at once; a larger number is a typing mistake.
const MaxCustomMinor = 100_000_00

// Errors of Price: faults of the request.
var (
	// ErrUnknownPackage reports a package code that is not on sale.
	ErrUnknownPackage = problem.New(problem.Invalid, "unknown_package", "There is no such package.",
		problem.FieldError{Pointer: "/package", Field: "package", Code: "unknown", Message: "choose starter, value, premium or custom"})
	// ErrCustomAmount reports a custom amount that is missing, not wanted, in another currency or outside MinCustomMinor to MaxCustomMinor.
	ErrCustomAmount = problem.New(problem.Invalid, "custom_amount", "The custom package takes an amount from GHS 10.00 to GHS 100,000.00; the other packages take none.",
		problem.FieldError{Pointer: "/custom_amount", Field: "custom_amount", Code: "out_of_range", Message: "give 10.00 to 100000.00 with the custom package, and nothing with the others"})
)

// Quote is a package with its price on one day.
type Quote struct {
	Package string
	// Base is the price before tax, Tax the sum of Taxes, Total what the provider is asked to collect.
	Base, Tax, Total money.Amount
	Taxes            []TaxLine
	// Credits are bought, Bonus comes on top.
	Credits, Bonus money.Credits
}

// offer is a package of the price list: price in pesewas, credits in centicredits. A credit costs a cedi, so price and credits are equal.
type offer struct {
	code  string
	price int64
	bonus money.Credits
}

// priceList is in the order in which packages are shown.
func priceList() []offer {
	return []offer{
		{code: PackageStarter, price: 30_00},
		{code: PackageValue, price: 80_00, bonus: 20_00},
		{code: PackagePremium, price: 180_00, bonus: 70_00},
	}
}

// PackagesOn returns the fixed packages with the taxes of day. Any scope.
func PackagesOn(tx *gorm.DB, day time.Time) ([]Quote, error) {
	rates, err := TaxRatesOn(tx, day)
	if err != nil {
		return nil, err
	}
	var quotes []Quote
	for _, o := range priceList() {
		q, err := quote(o, rates)
		if err != nil {
			return nil, err
		}
		quotes = append(quotes, q)
	}
	return quotes, nil
}

// Price returns the price of the package code with the taxes of day. custom is the amount before tax of PackageCustom and must be nil for the others.
// Errors: ErrUnknownPackage, ErrCustomAmount. Any scope.
func Price(tx *gorm.DB, code string, custom *money.Amount, day time.Time) (Quote, error) {
	o, err := find(code, custom)
	if err != nil {
		return Quote{}, err
	}
	rates, err := TaxRatesOn(tx, day)
	if err != nil {
		return Quote{}, err
	}
	return quote(o, rates)
}

func find(code string, custom *money.Amount) (offer, error) {
	if code == PackageCustom {
		switch {
		case custom == nil:
			return offer{}, fmt.Errorf("%w: the custom package needs one", ErrCustomAmount)
		case custom.Currency != money.GHS:
			return offer{}, fmt.Errorf("%w: it must be in GHS", ErrCustomAmount)
		case custom.Minor < MinCustomMinor || custom.Minor > MaxCustomMinor:
			return offer{}, fmt.Errorf("%w: it must be from %s to %s", ErrCustomAmount,
				money.FromMinor(MinCustomMinor, money.GHS), money.FromMinor(MaxCustomMinor, money.GHS))
		}
		return offer{code: code, price: custom.Minor}, nil
	}
	for _, o := range priceList() {
		if o.code != code {
			continue
		}
		if custom != nil {
			return offer{}, fmt.Errorf("%w: only the custom package takes one", ErrCustomAmount)
		}
		return o, nil
	}
	return offer{}, fmt.Errorf("%w: %.40q", ErrUnknownPackage, code)
}

func quote(o offer, rates []TaxRate) (Quote, error) {
	base := money.FromMinor(o.price, money.GHS)
	lines, tax, err := ApplyTaxes(base, rates)
	if err != nil {
		return Quote{}, fmt.Errorf("price package %s: %w", o.code, err)
	}
	total, err := base.Add(tax)
	if err != nil {
		return Quote{}, fmt.Errorf("price package %s: %w", o.code, err)
	}
	return Quote{Package: o.code, Base: base, Tax: tax, Total: total, Taxes: lines, Credits: money.Credits(o.price), Bonus: o.bonus}, nil
}
