package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
)

func newLedger(e *env) *cobra.Command {
	return group("ledger", "Check the books", newLedgerCheck(e))
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
