package assist

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Feature is what is asked for, by the name that billing prices it by.
type Feature string

// The features.
const (
	Question    Feature = "natural_language_query"
	Description Feature = "product_description"
)

const (
	// Attempts is how often a request is tried, as its tasks' contract says too.
	Attempts = 3
	// Keep is how long questions and answers are kept: a month and a little, so that what a month cost can be summed.
	Keep = 35 * 24 * time.Hour
)

// Status is how far a request is.
type Status string

// The statuses.
const (
	Pending    Status = "PENDING"
	Processing Status = "PROCESSING"
	Answered   Status = "ANSWERED"
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
)

// Scope is the storefronts whose figures somebody may see. The zero Scope is none.
type Scope struct {
	All bool
	IDs []uuid.UUID
}

// Input is what was asked. Text in it has no mail addresses and telephone numbers: whoever makes it takes them out.
type Input struct {
	// Question is for the feature of that name.
	Question string `json:"question,omitempty"`
	// Product and the rest are for Description.
	Product  *Product `json:"product,omitempty"`
	Tone     string   `json:"tone,omitempty"`
	Language string   `json:"language,omitempty"`
	MaxWords int      `json:"max_words,omitempty"`
}

// Product is what is said of a product that is to be described.
type Product struct {
	Name     string `json:"name"`
	Category string `json:"category,omitempty"`
	Unit     string `json:"unit,omitempty"`
}

// Request is one thing that was asked of a model.
type Request struct {
	ID, Tenant, User, Hold, Task uuid.UUID
	Feature                      Feature
	Input                        Input
	// Figures are what the model may choose from, by name, and Scope the storefronts whose.
	Figures []string
	Scope   Scope
	Status  Status
	// Failure says why, when Status is Failed and it is known.
	Failure Failure
	// Answer is nil until there is one.
	Answer *Answer
	// Budget is the most that it may cost us, and Cost what it did, in 1/10000 GHS.
	Budget, Cost int64
	CreatedAt    time.Time
	FinishedAt   *time.Time
	DeleteAt     time.Time
}

// Answer is what came of a request.
type Answer struct {
	// Words is what the model wrote, and empty when that was withheld because it said what no figure says.
	Words    string `json:"words"`
	Withheld bool   `json:"withheld,omitempty"`
	// Tables are the figures, as they were read.
	Tables []Table `json:"tables,omitempty"`
}

// Table is one figure as it was read.
type Table struct {
	Figure  string     `json:"figure"`
	Title   string     `json:"title"`
	Columns []Column   `json:"columns"`
	Rows    [][]string `json:"rows"`
	// More is set when there were more rows than are here.
	More bool `json:"more,omitempty"`
}

// Column is one column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Kind is what a column's cells are.
type Kind string

// The kinds.
const (
	Text  Kind = "text"
	Count Kind = "count"
	Money Kind = "money" // in the business's currency, in major units
	Date  Kind = "date"
	// Customer cells are ids, until somebody reads them who may know the names.
	Customer Kind = "customer"
)

const selectRequest = `select id, tenant_id, user_id, hold_id, task_id, feature, input, figures, storefronts, status, coalesce(failure, ''), answer, budget, cost, created_at, finished_at, delete_at from assist.v_request `

func scanRequest(rows pgx.Rows) (*Request, error) {
	r := &Request{}
	var input, answer []byte
	err := rows.Scan(&r.ID, &r.Tenant, &r.User, &r.Hold, &r.Task, &r.Feature, &input, &r.Figures, &r.Scope.IDs, &r.Status, &r.Failure, &answer, &r.Budget, &r.Cost, &r.CreatedAt, &r.FinishedAt, &r.DeleteAt)
	if err != nil {
		return nil, err
	}
	r.Scope.All = r.Scope.IDs == nil
	if err := json.Unmarshal(input, &r.Input); err != nil {
		return nil, fmt.Errorf("read input of request %s: %w", r.ID, err)
	}
	if answer != nil {
		if err := json.Unmarshal(answer, &r.Answer); err != nil {
			return nil, fmt.Errorf("read answer to request %s: %w", r.ID, err)
		}
	}
	return r, nil
}

// Get returns the request of the transaction's tenant, or ErrNotFound.
func Get(tx *gorm.DB, id uuid.UUID) (r *Request, err error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	err = query(tx, "read request", selectRequest+`where tenant_id = $1 and id = $2`, func(rows pgx.Rows) (err error) {
		r, err = scanRequest(rows)
		return err
	}, business, id)
	if err == nil && r == nil {
		err = ErrNotFound
	}
	return r, err
}

// Mine pages through what one person asked, the newest first. before is the last id of the page before, or zero.
func Mine(tx *gorm.DB, user, before uuid.UUID, limit int) (list []*Request, err error) {
	business, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	err = query(tx, "list requests", selectRequest+`where tenant_id = $1 and user_id = $2 and ($3::uuid = '00000000-0000-0000-0000-000000000000' or id < $3) order by id desc limit $4`,
		func(rows pgx.Rows) error {
			r, err := scanRequest(rows)
			list = append(list, r)
			return err
		}, business, user, before, limit)
	return list, err
}
