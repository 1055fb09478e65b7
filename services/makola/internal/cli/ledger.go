package cli

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/tenant"
)

func newLedger(e *env) *cobra.Command {
	return group("ledger", "Check the books, and show what a balance consists of", newLedgerCheck(e), newLedgerChecks(e), newLedgerShow(e))
}

func newLedgerChecks(e *env) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "checks", Short: "List what the nightly checks found, newest first", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			var checks []billing.LedgerCheck
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				checks, err = billing.LedgerChecks(tx, limit)
				return err
			})
			if err != nil {
				return err
			}
			type line struct {
				Day       string          `json:"day"`
				CheckedAt time.Time       `json:"checked_at"`
				Accounts  int64           `json:"accounts"`
				Entries   int64           `json:"entries"`
				Faults    int             `json:"faults"`
				Details   []billing.Fault `json:"details"`
			}
			list, rows := []line{}, [][]string{}
			for _, k := range checks {
				list = append(list, line{k.Day.Format(time.DateOnly), k.CheckedAt, k.Accounts, k.Entries, k.Faults, k.Details})
				rows = append(rows, []string{k.Day.Format(time.DateOnly), clock(&k.CheckedAt), fmt.Sprint(k.Accounts), fmt.Sprint(k.Entries), fmt.Sprint(k.Faults)})
				for _, f := range k.Details {
					rows = append(rows, []string{"", oneLine(f.String(), 160)})
				}
			}
			return e.print(list, []string{"DAY", "CHECKED", "ACCOUNTS", "ENTRIES", "FAULTS"}, rows)
		},
	}
	c.Flags().IntVar(&limit, "limit", 14, "most checks to list")
	return c
}

// maxShown is the most entries of one balance that are printed.
const maxShown = 1000

func newLedgerShow(e *env) *cobra.Command {
	var at string
	c := &cobra.Command{
		Use: "show BUSINESS", Short: "Show a business's balance at an instant, with the entries that made it",
		Long: `Recomputes the balance from the entries and holds until the instant (--at, now without it), and lists the entries, newest first, with the balance after each.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			business, err := parseID(args[0])
			if err != nil {
				return err
			}
			instant := time.Now()
			if at != "" {
				if instant, err = time.Parse(time.RFC3339, at); err != nil {
					return fmt.Errorf("%w: --at is %q; write 2026-03-31T18:00:00Z", errUsage, at)
				}
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			var balance *billing.Credits
			var lines []billing.LedgerLine
			err = db.InTenant(tenant.With(c.Context(), business), func(tx *gorm.DB) (err error) {
				if balance, err = billing.BalanceAt(tx, instant); err != nil {
					return err
				}
				after := billing.LedgerCursor{}
				for len(lines) < maxShown {
					page, next, err := billing.Ledger(tx, after, instant, billing.MaxPage)
					if err != nil {
						return err
					}
					lines = append(lines, page...)
					if next == nil {
						break
					}
					after = *next
				}
				return nil
			})
			if err != nil {
				return err
			}
			return e.printBalance(balance, lines)
		},
	}
	c.Flags().StringVar(&at, "at", "", "the instant, RFC 3339; now without it")
	return c
}

func (e *env) printBalance(b *billing.Credits, lines []billing.LedgerLine) error {
	type entry struct {
		At        time.Time     `json:"at"`
		Transfer  uuid.UUID     `json:"transfer_id"`
		Kind      string        `json:"kind"`
		Source    string        `json:"source"`
		Lot       uuid.UUID     `json:"lot_id"`
		Delta     money.Credits `json:"delta"`
		After     money.Credits `json:"balance_after"`
		Reference string        `json:"reference,omitempty"`
	}
	entries, rows := []entry{}, [][]string{}
	after := b.Ledger
	for _, l := range lines {
		entries = append(entries, entry{l.At, l.Transfer, l.Kind, l.Source, l.Lot, l.Delta, after, l.Reference})
		rows = append(rows, []string{clock(&l.At), l.Kind, l.Source, l.Delta.String(), after.String(), l.Transfer.String(), l.Reference})
		after -= l.Delta
	}
	if e.format == "json" {
		return e.print(map[string]any{"at": b.At, "spendable": b.Total, "held": b.Held, "ledger_balance": b.Ledger, "entries": entries}, nil, nil)
	}
	if err := e.print(nil, nil, [][]string{{"at", clock(&b.At)}, {"spendable", b.Total.String()}, {"held", b.Held.String()}, {"ledger", b.Ledger.String()}}); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(e.out)
	return e.print(nil, []string{"AT", "KIND", "SOURCE", "CHANGE", "BALANCE", "TRANSFER", "REFERENCE"}, rows)
}

func newLedgerCheck(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Recompute every balance from its entries",
		Long: `Recomputes every account, lot and purchase from the ledger's entries and lists what does not agree. Changes nothing. It reads every
entry, so choose a quiet hour. Exit code 5 when something is wrong.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			var faults []billing.Fault
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				faults, err = billing.VerifyLedger(tx)
				return err
			})
			if err != nil {
				return err
			}
			if err := e.printFaults(faults); err != nil {
				return err
			}
			if len(faults) > 0 {
				return fmt.Errorf("%w: %d fault(s)", errFaults, len(faults))
			}
			return nil
		},
	}
}

func (e *env) printFaults(faults []billing.Fault) error {
	type line struct {
		Rule   string `json:"rule"`
		ID     string `json:"id"`
		Want   int64  `json:"want"`
		Stored int64  `json:"stored"`
	}
	list := []line{}
	rows := [][]string{}
	for _, f := range faults {
		list = append(list, line{f.Rule, f.ID, f.Want, f.Got})
		rows = append(rows, []string{f.Rule, f.ID, fmt.Sprint(f.Want), fmt.Sprint(f.Got)})
	}
	if len(rows) == 0 {
		return e.print(list, nil, [][]string{{"the ledger agrees with itself"}})
	}
	return e.print(list, []string{"RULE", "ROW", "ENTRIES SAY", "STORED"}, rows)
}
