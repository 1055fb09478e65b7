package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/assist"
	"makola/pkg/billing"
	"makola/pkg/inventory"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/sales"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// errNoModel reports a house that has no language model.
var errNoModel = problem.New(problem.Unavailable, "no_language_model", "This server has no language model, so it answers no questions and describes no products.")

// answerWait is how many seconds a client should wait before it asks for an answer: two calls of a model take about that.
const answerWait = 2

// Answers says what may be asked of a language model, and what that may cost.
type Answers struct {
	Limits assist.Limits
	Prices assist.Prices
}

// AskQuestion accepts a question about the business's own figures.
func (s *Server) AskQuestion(ctx context.Context, req gen.AskQuestionRequestObject) (gen.AskQuestionResponseObject, error) {
	question := billing.RedactText(assist.Plain(req.Body.Question))
	if question == "" {
		return nil, fieldProblem("question", "invalid", "must have words")
	}
	body, err := s.order(ctx, func(t *till) (assist.Order, error) {
		o := assist.Order{Feature: assist.Question, Input: assist.Input{Question: question}, Figures: assist.FiguresFor(may(ctx)), Scope: assist.Scope(t.who.Scope)}
		if id := req.Body.StorefrontID; id != nil {
			unknown, err := s.storefronts()(t.tx, []uuid.UUID{*id})
			switch {
			case err != nil:
				return o, err
			case len(unknown) > 0 || !t.who.Scope.Sees(*id):
				return o, reporting.ErrUnknownStorefront
			}
			o.Scope = assist.Scope{IDs: []uuid.UUID{*id}}
		}
		return o, nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask question: %w", err)
	}
	wait := answerWait
	return gen.AskQuestion202JSONResponse{Body: body, Headers: gen.AskQuestion202ResponseHeaders{Location: &body.AnswerURL, RetryAfter: &wait}}, nil
}

// DescribeProduct accepts a product to be described.
func (s *Server) DescribeProduct(ctx context.Context, req gen.DescribeProductRequestObject) (gen.DescribeProductResponseObject, error) {
	b := req.Body
	body, err := s.order(ctx, func(t *till) (assist.Order, error) {
		o := assist.Order{Feature: assist.Description, Input: assist.Input{Tone: string(value(b.Tone)), Language: string(value(b.Language)), MaxWords: value(b.MaxWords)}}
		rules, err := stockRules(t.tx, t.now)
		if err != nil {
			return o, err
		}
		p, err := inventory.ProductByID(t.tx, rules, b.ProductID)
		if err != nil {
			return o, err
		}
		o.Input.Product = &assist.Product{Name: billing.RedactText(p.Name), Unit: p.Unit}
		if p.Category != nil {
			c, err := inventory.CategoryByID(t.tx, *p.Category)
			if err != nil {
				return o, err
			}
			o.Input.Product.Category = billing.RedactText(c.Name)
		}
		return o, nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe product: %w", err)
	}
	wait := answerWait
	return gen.DescribeProduct202JSONResponse{Body: body, Headers: gen.DescribeProduct202ResponseHeaders{Location: &body.AnswerURL, RetryAfter: &wait}}, nil
}

// may tells which permissions whoever asks has.
func may(ctx context.Context) func(permission string) bool {
	who := auth.From(ctx)
	return func(p string) bool { return who.May(accounts.Permission(p)) }
}

// order sets credits aside, records the request and enqueues its task, once for each Idempotency-Key.
func (s *Server) order(ctx context.Context, make func(t *till) (assist.Order, error)) (body gen.AnswerAccepted, err error) {
	if s.Answers == nil {
		return body, errNoModel
	}
	claim := once.From(ctx)
	var r *assist.Request
	var h *billing.Hold
	err = s.atTill(ctx, func(t *till) (err error) {
		if id := claim.Made(); id != uuid.Nil {
			if r, err = assist.Get(t.tx, id); err == nil {
				h, err = billing.HoldByID(t.tx, r.Hold)
			}
			return err
		}
		o, err := make(t)
		if err != nil {
			return err
		}
		if r, h, err = s.ask(ctx, t, o); err != nil {
			return err
		}
		return claim.Keep(t.tx, r.ID)
	})
	if err != nil {
		return body, err
	}
	return gen.AnswerAccepted{
		AnswerID: r.ID, TaskID: r.Task, Status: gen.AnswerAcceptedStatusProcessing, StatusURL: taskURL(r.Task), AnswerURL: "/api/v1/ai/answers/" + r.ID.String(), Credits: h.Amount.String(),
	}, nil
}

// ask takes the turn on the business's credits first: then the limits are counted one request after another.
func (s *Server) ask(ctx context.Context, t *till, o assist.Order) (*assist.Request, *billing.Hold, error) {
	o.User, o.Task, o.Budget = t.who.Entry.User, uuid.Must(uuid.NewV7()), s.Answers.Prices.Budget(o.Feature)
	h, err := billing.Reserve(t.tx, o.User, string(o.Feature), t.now)
	if err != nil {
		return nil, nil, err
	}
	o.Hold = h.ID
	r, err := assist.Ask(t.tx, s.Answers.Limits, o)
	if err != nil {
		return nil, nil, err
	}
	return r, h, s.enqueueAnswer(ctx, t.tx, r, h)
}

// enqueueAnswer enqueues the task of a request. It is not begun when its credits are free again.
func (s *Server) enqueueAnswer(ctx context.Context, tx *gorm.DB, r *assist.Request, h *billing.Hold) (err error) {
	id, by, until := task.WithID(r.Task), task.CreatedBy(r.User), task.ExpiresAt(h.ExpiresAt)
	switch r.Feature {
	case assist.Question:
		_, err = s.Credits.AnswerQuestion(ctx, tx, &aifeatures.AnswerQuestionArgs{RequestId: r.ID.String()}, id, by, until)
	case assist.Description:
		_, err = s.Credits.DescribeProduct(ctx, tx, &aifeatures.DescribeProductArgs{RequestId: r.ID.String()}, id, by, until)
	default:
		err = fmt.Errorf("no task is for feature %q", r.Feature)
	}
	return err
}

// ListAnswers pages through what whoever asks has asked.
func (s *Server) ListAnswers(ctx context.Context, req gen.ListAnswersRequestObject) (gen.ListAnswersResponseObject, error) {
	before, _, err := decodeCursor(cursorAnswers, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Params.Limit)
	var list []*assist.Request
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, err = assist.Mine(tx, auth.From(ctx).User, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.AskedPage{Items: []gen.Asked{}}
	if len(list) == limit { // when the list ends exactly here the next page is empty
		page.NextCursor = encodeCursor(cursorAnswers, list[limit-1].ID, 0)
	}
	for _, r := range list {
		page.Items = append(page.Items, gen.Asked{
			ID: r.ID, Feature: gen.AnswerFeature(r.Feature), Status: gen.AnswerStatus(r.Status), Question: optional(r.Input.Question), ProductName: productName(r), TaskID: r.Task, CreatedAt: r.CreatedAt.UTC(),
		})
	}
	return gen.ListAnswers200JSONResponse(page), nil
}

// GetAnswer shows one answer to whoever asked, as long as they may see what is in it.
func (s *Server) GetAnswer(ctx context.Context, req gen.GetAnswerRequestObject) (gen.GetAnswerResponseObject, error) {
	var r *assist.Request
	var a *assist.Answer
	err := s.atTill(ctx, func(t *till) (err error) {
		if r, err = assist.Get(t.tx, req.ID); err != nil {
			return err
		}
		if r.User != t.who.Entry.User || !assist.Scope(t.who.Scope).Covers(r.Scope) && r.Feature == assist.Question {
			return assist.ErrNotFound
		}
		if r.Answer == nil {
			return nil
		}
		if !r.Answer.Visible(may(ctx)) {
			return assist.ErrNotFound
		}
		names, err := sales.CustomerNames(t.tx, r.Answer.Customers())
		a = r.Answer.Named(names)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetAnswer200JSONResponse{Body: answerBody(r, a), Headers: gen.GetAnswer200ResponseHeaders{RetryAfter: retryWhile(r)}}, nil
}

// retryWhile is when to ask again; nil when there is nothing to wait for.
func retryWhile(r *assist.Request) *int {
	if r.Status != assist.Pending && r.Status != assist.Processing {
		return nil
	}
	wait := answerWait
	return &wait
}

func answerBody(r *assist.Request, a *assist.Answer) gen.Answer {
	b := gen.Answer{
		ID: r.ID, Feature: gen.AnswerFeature(r.Feature), Status: gen.AnswerStatus(r.Status), Question: optional(r.Input.Question), ProductName: productName(r), Tables: []gen.AnswerTable{},
		TaskID: r.Task, StatusURL: taskURL(r.Task), CreatedAt: r.CreatedAt.UTC(), FinishedAt: utc(r.FinishedAt), DeleteAt: r.DeleteAt.UTC(),
	}
	if r.Failure != "" {
		f := gen.AnswerFailure(r.Failure)
		b.Failure = &f
	}
	if a == nil {
		return b
	}
	b.Words, b.WordsWithheld = optional(a.Words), a.Withheld
	for _, t := range a.Tables {
		table := gen.AnswerTable{Figure: t.Figure, Title: t.Title, More: t.More, Rows: t.Rows}
		for _, c := range t.Columns {
			table.Columns = append(table.Columns, struct {
				Kind gen.AnswerTableColumnsKind `json:"kind"`
				Name string                     `json:"name"`
			}{gen.AnswerTableColumnsKind(c.Kind), c.Name})
		}
		b.Tables = append(b.Tables, table)
	}
	return b
}

func productName(r *assist.Request) *string {
	if r.Input.Product == nil {
		return nil
	}
	return &r.Input.Product.Name
}
