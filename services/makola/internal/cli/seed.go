package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"makola/pkg/postgres"
	"makola/services/makola/internal/shops"
)

// seedWriters is how many shops are written at once: while one waits for the database, the other is invented.
const seedWriters = 2

func newSeed(e *env) *cobra.Command {
	plan, until := shops.Plan{}, ""
	c := &cobra.Command{
		Use: "seed", Short: "Make the demo shops, unless they are there",
		Long: `Makes a provision store, a pharmacy and an electronics shop with a year of trade behind them, and prints how to log in. --scale 100 makes 300 shops with
millions of sales, to measure with. The same seed and end give the same rows. Shops that are there are left as they are, and so is everybody else's data: a shop whose
name or addresses others have is left out. DATABASE_URL must name the role makola_owner.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.refuseProduction("seed"); err != nil {
				return err
			}
			end, err := parseEnd(until, time.Now())
			if err != nil {
				return err
			}
			plan.Until = end
			if err := plan.Validate(); err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			done, err := seed(c.Context(), db, plan, c.ErrOrStderr())
			if err != nil {
				return err
			}
			return e.printSeed(plan, done)
		},
	}
	c.Flags().IntVar(&plan.Scale, "scale", 1, "how many times the three shops are made, in all sizes")
	c.Flags().Uint64Var(&plan.Seed, "seed", 1, "what chance begins with")
	c.Flags().IntVar(&plan.Days, "days", 365, "how long they have traded")
	c.Flags().StringVar(&until, "until", "", "when the year ends: a day, to its end, or an instant (2026-12-17T15:30:00Z); now when empty")
	return c
}

// parseEnd reads --until.
func parseEnd(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now.UTC().Truncate(time.Second), nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("%w: --until is %q; write 2026-12-17 or 2026-12-17T15:30:00Z", errUsage, s)
	}
	return at, nil
}

// seeded is what became of the shops of a plan.
type seeded struct {
	outcomes []shops.Outcome
	rows     int64
	took     time.Duration
}

func (s *seeded) count(of shops.Outcome) (n int) {
	for _, o := range s.outcomes {
		if o == of {
			n++
		}
	}
	return n
}

// progressEvery is after how many shops seed says how far it has come.
const progressEvery = 30

// seed writes the plan's shops, two at a time, and lets the planner know when anything was written.
func seed(ctx context.Context, db *postgres.DB, plan shops.Plan, progress io.Writer) (*seeded, error) {
	begin := time.Now()
	done := &seeded{outcomes: make([]shops.Outcome, plan.Len())}
	rows := make([]int64, plan.Len())
	finished := make(chan int, plan.Len()) // closed below, when all writers are done
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(seedWriters)
	told := make(chan struct{})
	go func() {
		defer close(told)
		n, sum := 0, int64(0)
		for i := range finished {
			if n, sum = n+1, sum+rows[i]; n%progressEvery == 0 {
				_, _ = fmt.Fprintf(progress, "%d of %d shops, %d rows, %s\n", n, plan.Len(), sum, time.Since(begin).Round(time.Second))
			}
		}
	}()
	for i := range plan.Len() {
		group.Go(func() (err error) {
			done.outcomes[i], rows[i], err = shops.Write(gctx, db, plan.Shop(i))
			finished <- i
			return err
		})
	}
	err := group.Wait()
	close(finished)
	<-told
	if err != nil {
		return nil, err
	}
	for _, n := range rows {
		done.rows += n
	}
	if done.rows > 0 {
		if err := shops.Analyze(ctx, db); err != nil {
			return nil, err
		}
	}
	done.took = time.Since(begin)
	return done, nil
}

// printSeed prints the logins of the three shops last, in as many lines as up.sh and the README show.
func (e *env) printSeed(plan shops.Plan, done *seeded) error {
	created, present, taken := done.count(shops.Created), done.count(shops.Present), done.count(shops.Taken)
	type login struct {
		Business string            `json:"business"`
		People   map[string]string `json:"people"` // address to role
	}
	var logins []login
	for i := range 3 {
		s := plan.Shop(i)
		l := login{s.Name, map[string]string{}}
		for _, p := range s.People {
			l.People[p.Email] = p.Role
		}
		logins = append(logins, l)
	}
	value := map[string]any{"created": created, "present": present, "left_out": taken, "rows": done.rows, "password": shops.Password, "logins": logins}
	owner := func(i int) string { s := plan.Shop(i); return s.People[0].Email }
	return e.print(value, nil, [][]string{
		{fmt.Sprintf("demo shops     %d new, %d there before, %d left out (name or address taken); %d rows in %s", created, present, taken, done.rows, done.took.Round(100*time.Millisecond))},
		{fmt.Sprintf("demo login     %s, password %s (%s)", owner(0), shops.Password, logins[0].Business)},
		{fmt.Sprintf("more owners    %s (%s), %s (%s), the same password", owner(1), logins[1].Business, owner(2), logins[2].Business)},
		{"more people    manager, keeper, cashier1 and cashier2 @adwoa.makola.example, @nkwa.makola.example, @anyinam.makola.example"},
	})
}
