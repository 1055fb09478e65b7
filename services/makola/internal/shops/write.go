package shops

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// Outcome is what Write did.
type Outcome string

// What may become of a shop. Taken: another business has its name or TIN, or somebody else the address of one of its people; nothing was written.
const (
	Created Outcome = "created"
	Present Outcome = "present"
	Taken   Outcome = "taken"
)

// Write brings a shop into the database, whole, in one transaction bound to that shop alone, unless it is there already. It returns the number of rows.
// db must be makola_owner's: the rows go through temporary tables, because PostgreSQL does not COPY into tables with row security.
func Write(ctx context.Context, db *postgres.DB, s Shop) (outcome Outcome, rows int64, err error) {
	ctx = tenant.With(ctx, s.ID)
	there := false
	look := func(tx *gorm.DB) error {
		return postgres.QueryRow(tx, `select exists (select from accounts.business where id = $1)`, s.ID).Scan(&there)
	}
	if err := db.InTenant(ctx, look); err != nil {
		return "", 0, fmt.Errorf("look for %s: %w", s.Name, err)
	}
	if there {
		return Present, 0, nil
	}
	books := s.Live()
	err = db.InTenant(ctx, func(tx *gorm.DB) error {
		// Two runs at once: the second waits here, for as long as it takes (the role's own lock_timeout is for migrations), and then finds what the first has written.
		if _, err := postgres.Exec(tx, `select set_config('lock_timeout', '0', true)`); err != nil {
			return fmt.Errorf("take turns: %w", err)
		}
		if _, err := postgres.Exec(tx, `select pg_advisory_xact_lock(hashtextextended($1, 7261002))`, s.ID.String()); err != nil {
			return fmt.Errorf("take turns: %w", err)
		}
		if err := look(tx); err != nil || there {
			return err
		}
		if err := s.register(tx); err != nil {
			return err
		}
		for _, t := range books.tables(&s) {
			n, err := t.copy(tx)
			if err != nil {
				return fmt.Errorf("fill %s: %w", t.name, err)
			}
			rows += n
		}
		if err := settleTimes(tx); err != nil {
			return err
		}
		return s.askForCredits(ctx, db, tx)
	})
	switch postgres.Constraint(err) {
	case "user_email_key", "business_name_key", "business_tin_key":
		return Taken, 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("write %s: %w", s.Name, err)
	}
	if there {
		return Present, 0, nil
	}
	return Created, rows, nil
}

// register writes the people, the business and its memberships, and opens its trial.
func (s *Shop) register(tx *gorm.DB) error {
	var ids []uuid.UUID
	var names, emails, kinds, roles []string
	var access []*string
	keeper := "WAREHOUSE_STAFF"
	for _, p := range s.People {
		kind := "EMPLOYEE"
		if p.Role == "OWNER" {
			kind = "OWNER"
		}
		var own *string
		if p.Keeper {
			own = &keeper
		}
		ids, names, emails, kinds, roles, access = append(ids, p.ID), append(names, p.Name), append(emails, p.Email), append(kinds, kind), append(roles, p.Role), append(access, own)
	}
	at := s.opened()
	if _, err := postgres.Exec(tx, `
		insert into accounts.user (id, email, name, password_hash, account_type, email_verified, is_active, created_at, updated_at)
		select u.id, u.email, u.name, $5, u.kind, true, true, $6, $6 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as u (id, email, name, kind)`,
		ids, emails, names, kinds, passwordHash, at); err != nil {
		return fmt.Errorf("register people: %w", err)
	}
	if _, err := postgres.Exec(tx, `
		insert into accounts.business (id, owner_id, name, tin, email, phone_numbers, address, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
		s.ID, s.People[0].ID, s.Name, s.TIN, s.People[0].Email, []string{fmt.Sprintf("+23330%07d", 2_000_000+s.Number)}, s.branches[1].address, at); err != nil {
		return fmt.Errorf("register business: %w", err)
	}
	if _, err := postgres.Exec(tx, `
		insert into accounts.membership (tenant_id, user_id, role, access_role, created_at)
		select $1, m.id, m.role, m.access, $5 from unnest($2::uuid[], $3::text[], $4::text[]) as m (id, role, access)`,
		s.ID, ids, roles, access, at); err != nil {
		return fmt.Errorf("register members: %w", err)
	}
	if _, err := postgres.Exec(tx, `update accounts.business_settings set receipt_header = $2, receipt_footer = 'Thank you. Medaase.', updated_at = $3 where tenant_id = $1`,
		s.ID, s.Name+"\n"+s.branches[1].address, at); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	// No credits come with it: see askForCredits.
	if err := billing.OpenTenant(tx, s.ID, 0, s.plan.Until); err != nil {
		return fmt.Errorf("open trial: %w", err)
	}
	return nil
}

// trialCredits is what a new business is given by default (TRIAL_CREDITS of api-gateway).
const trialCredits = money.Credits(50_00)

// askForCredits enqueues the gift of the trial's credits: giving them is the platform's doing, whose side of the books the owner of the tables cannot see.
func (s *Shop) askForCredits(ctx context.Context, db *postgres.DB, tx *gorm.DB) error {
	_, err := aifeatures.NewTasks(task.NewQueue(db, nil, task.QueueConfig{})).GrantCredits(ctx, tx, &aifeatures.GrantCreditsArgs{
		BusinessId: s.ID.String(), GrantId: uuid.NewSHA1(s.ID, []byte("trial")).String(), Credits: trialCredits.String(), Actor: "makola seed", Reason: "trial of a demo shop",
	}, task.ForTenant(s.ID))
	if err != nil {
		return fmt.Errorf("ask for the trial's credits: %w", err)
	}
	return nil
}

// settleTimes sets when stock and customers changed last, which the ledgers' triggers have set to now.
func settleTimes(tx *gorm.DB) error {
	for _, sql := range []string{
		`update inventory.stock_level l set updated_at = m.at
		   from (select tenant_id, location_id, product_id, max(at) as at from inventory.movement group by 1, 2, 3) m
		  where l.tenant_id = m.tenant_id and l.location_id = m.location_id and l.product_id = m.product_id`,
		`update sales.customer c set updated_at = t.at
		   from (select tenant_id, customer_id, max(at) as at from sales.credit_transaction group by 1, 2) t
		  where c.tenant_id = t.tenant_id and c.id = t.customer_id`,
	} {
		if _, err := postgres.Exec(tx, sql); err != nil {
			return fmt.Errorf("set times of last changes: %w", err)
		}
	}
	return nil
}

// table is one table's rows, ready to be copied. It is a pgx.CopyFromSource.
type table struct {
	name    string
	columns []string
	n, next int
	row     func(i int) []any
}

// Next implements pgx.CopyFromSource.
func (t *table) Next() bool {
	t.next++
	return t.next <= t.n
}

// Values implements pgx.CopyFromSource.
func (t *table) Values() ([]any, error) { return t.row(t.next - 1), nil }

// Err implements pgx.CopyFromSource.
func (t *table) Err() error { return nil }

// copy fills the table through a temporary one of the same columns, so that its checks, policies and triggers have their say.
func (t *table) copy(tx *gorm.DB) (int64, error) {
	if t.n == 0 {
		return 0, nil
	}
	columns, stage := strings.Join(t.columns, ", "), "seed_"+strings.ReplaceAll(t.name, ".", "_")
	if _, err := postgres.Exec(tx, `create temporary table if not exists `+stage+` on commit delete rows as select `+columns+` from `+t.name+` with no data`); err != nil {
		return 0, err
	}
	if _, err := postgres.CopyFrom(tx, stage, t.columns, t); err != nil {
		return 0, err
	}
	return postgres.Exec(tx, `insert into `+t.name+` (`+columns+`) select `+columns+` from `+stage)
}

// describe makes a table of rows. columns come after tenant_id, which every table has and values leaves out; values returns one row's, in the columns' order.
func describe[T any](name string, tenant uuid.UUID, rows []T, columns string, values func(r *T) []any) *table {
	buffer := []any{tenant}
	return &table{
		name: name, columns: append([]string{"tenant_id"}, strings.Fields(columns)...), n: len(rows),
		row: func(i int) []any {
			buffer = append(buffer[:1], values(&rows[i])...)
			return buffer
		},
	}
}

// orNull is nil for the zero value.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// unless is nil for the one value that stands for nothing.
func unless[T comparable](nothing, v T) any {
	if v == nothing {
		return nil
	}
	return v
}

func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// Analyze lets the planner know of what was written: without it the first hours after a large load would be planned for empty tables.
func Analyze(ctx context.Context, db *postgres.DB) error {
	err := db.InSystem(ctx, func(tx *gorm.DB) error {
		var s Shop
		s.branches = make([]branch, 2)
		s.People = make([]Person, 2)
		for _, t := range (&Books{}).tables(&s) {
			if _, err := postgres.Exec(tx, `analyze `+t.name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	return nil
}
