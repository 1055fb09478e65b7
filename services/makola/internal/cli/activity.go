package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/accounts"
)

// mostWeeks is how many weeks are shown at once; two years.
const mostWeeks = 104

func newActivity(e *env) *cobra.Command {
	weeks := 12
	c := &cobra.Command{
		Use: "activity", Short: "Show what everybody did, week by week",
		Long: `Shows how often people signed in and out, how many did something in how many businesses, and how many entries the audit log got, by weeks of UTC, the latest first.
A week is counted when it is over. --output json has the kinds of actions as well. A business reads its own weeks at GET /api/v1/activity-reports.`,
		Args: known,
		RunE: func(c *cobra.Command, _ []string) error {
			if weeks < 1 || weeks > mostWeeks {
				return fmt.Errorf("%w: --weeks is %d; write 1 to %d", errUsage, weeks, mostWeeks)
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			var list []accounts.Activity
			err = db.InSystem(c.Context(), func(tx *gorm.DB) (err error) {
				list, err = accounts.ListPlatformActivity(tx, weeks)
				return err
			})
			if err != nil {
				return err
			}
			return printActivity(e, list)
		},
	}
	c.Flags().IntVar(&weeks, "weeks", weeks, "how many weeks to show")
	return c
}

// weekLine is a week as makola shows it.
type weekLine struct {
	WeekStart  string          `json:"week_start"`
	Businesses int64           `json:"businesses"`
	People     int64           `json:"people"`
	Logins     int64           `json:"logins"`
	Logouts    int64           `json:"logouts"`
	Actions    int64           `json:"actions"`
	ByAction   json.RawMessage `json:"by_action"`
}

func printActivity(e *env, list []accounts.Activity) error {
	lines := []weekLine{}
	rows := [][]string{}
	for _, a := range list {
		l := weekLine{WeekStart: a.Week.Format(time.DateOnly), Businesses: a.Businesses, People: a.People, Logins: a.Logins, Logouts: a.Logouts, Actions: a.Actions, ByAction: a.ByAction}
		lines = append(lines, l)
		rows = append(rows, []string{l.WeekStart, fmt.Sprint(l.Businesses), fmt.Sprint(l.People), fmt.Sprint(l.Logins), fmt.Sprint(l.Logouts), fmt.Sprint(l.Actions)})
	}
	return e.print(lines, []string{"WEEK OF", "BUSINESSES", "PEOPLE", "SIGN-INS", "SIGN-OUTS", "ACTIONS"}, rows)
}
