package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/webhooks"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// inShop runs fn in a transaction of the business of whoever asks, and says who that is for its log.
func (s *Server) inShop(ctx context.Context, fn func(tx *gorm.DB, who audit.Entry) error) error {
	who, client := auth.From(ctx), clientOf(ctx)
	return s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		return fn(tx, audit.Entry{Tenant: who.Tenant, User: who.User, Actor: who.Email, IP: client.IP, UserAgent: client.UserAgent})
	})
}

// ListWebhookEndpoints lists all endpoints of a business.
func (s *Server) ListWebhookEndpoints(ctx context.Context, _ gen.ListWebhookEndpointsRequestObject) (gen.ListWebhookEndpointsResponseObject, error) {
	body := gen.ListWebhookEndpoints200JSONResponse{Items: []gen.WebhookEndpoint{}}
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		list, err := webhooks.List(tx)
		for i := range list {
			body.Items = append(body.Items, endpointBody(&list[i]))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// CreateWebhookEndpoint registers an endpoint. The answer has its secret, so it is not kept for an Idempotency-Key.
func (s *Server) CreateWebhookEndpoint(ctx context.Context, req gen.CreateWebhookEndpointRequestObject) (gen.CreateWebhookEndpointResponseObject, error) {
	var body gen.WebhookEndpointWithSecret
	err := s.inShop(ctx, func(tx *gorm.DB, who audit.Entry) error {
		e, secret, err := s.Endpoints.Create(tx, who, webhooks.Wish{URL: &req.Body.URL, Description: req.Body.Description, Kinds: kindsOf(&req.Body.Kinds)})
		if err == nil {
			body = gen.WebhookEndpointWithSecret{Endpoint: endpointBody(e), Secret: secret}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("register endpoint: %w", err)
	}
	return gen.CreateWebhookEndpoint201JSONResponse(body), nil
}

// GetWebhookEndpoint shows one endpoint.
func (s *Server) GetWebhookEndpoint(ctx context.Context, req gen.GetWebhookEndpointRequestObject) (gen.GetWebhookEndpointResponseObject, error) {
	body, err := s.endpoint(ctx, func(tx *gorm.DB, _ audit.Entry) (*webhooks.Endpoint, error) { return webhooks.Get(tx, req.ID) })
	if err != nil {
		return nil, err
	}
	return gen.GetWebhookEndpoint200JSONResponse(body), nil
}

// ChangeWebhookEndpoint changes one endpoint.
func (s *Server) ChangeWebhookEndpoint(ctx context.Context, req gen.ChangeWebhookEndpointRequestObject) (gen.ChangeWebhookEndpointResponseObject, error) {
	b := req.Body
	body, err := s.endpoint(ctx, func(tx *gorm.DB, who audit.Entry) (*webhooks.Endpoint, error) {
		return s.Endpoints.Change(tx, who, req.ID, webhooks.Wish{URL: b.URL, Description: b.Description, Kinds: kindsOf(b.Kinds), Enabled: b.Enabled})
	})
	if err != nil {
		return nil, fmt.Errorf("change endpoint: %w", err)
	}
	return gen.ChangeWebhookEndpoint200JSONResponse(body), nil
}

func (s *Server) endpoint(ctx context.Context, fn func(tx *gorm.DB, who audit.Entry) (*webhooks.Endpoint, error)) (body gen.WebhookEndpoint, err error) {
	err = s.inShop(ctx, func(tx *gorm.DB, who audit.Entry) error {
		e, err := fn(tx, who)
		if err == nil {
			body = endpointBody(e)
		}
		return err
	})
	return body, err
}

// DeleteWebhookEndpoint takes one endpoint away.
func (s *Server) DeleteWebhookEndpoint(ctx context.Context, req gen.DeleteWebhookEndpointRequestObject) (gen.DeleteWebhookEndpointResponseObject, error) {
	err := s.inShop(ctx, func(tx *gorm.DB, who audit.Entry) error { return webhooks.Delete(tx, who, req.ID) })
	if err != nil {
		return nil, fmt.Errorf("delete endpoint: %w", err)
	}
	return gen.DeleteWebhookEndpoint204Response{}, nil
}

// RotateWebhookSecret gives one endpoint a new secret.
func (s *Server) RotateWebhookSecret(ctx context.Context, req gen.RotateWebhookSecretRequestObject) (gen.RotateWebhookSecretResponseObject, error) {
	var body gen.WebhookEndpointWithSecret
	err := s.inShop(ctx, func(tx *gorm.DB, who audit.Entry) error {
		e, secret, err := s.Endpoints.Rotate(tx, who, req.ID)
		if err == nil {
			body = gen.WebhookEndpointWithSecret{Endpoint: endpointBody(e), Secret: secret}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("rotate secret: %w", err)
	}
	return gen.RotateWebhookSecret200JSONResponse(body), nil
}

// TestWebhookEndpoint sends a test to one endpoint.
func (s *Server) TestWebhookEndpoint(ctx context.Context, req gen.TestWebhookEndpointRequestObject) (gen.TestWebhookEndpointResponseObject, error) {
	body, err := s.deliver(ctx, func(tx *gorm.DB, _ audit.Entry) (*webhooks.Delivery, error) {
		return webhooks.SendTest(ctx, tx, s.Webhooks, req.ID, time.Now())
	})
	if err != nil {
		return nil, fmt.Errorf("test endpoint: %w", err)
	}
	location := deliveryURL(body)
	return gen.TestWebhookEndpoint202JSONResponse{Body: body, Headers: gen.TestWebhookEndpoint202ResponseHeaders{Location: &location, RetryAfter: &retrySeconds}}, nil
}

// ReplayWebhookDelivery delivers an event once more.
func (s *Server) ReplayWebhookDelivery(ctx context.Context, req gen.ReplayWebhookDeliveryRequestObject) (gen.ReplayWebhookDeliveryResponseObject, error) {
	body, err := s.deliver(ctx, func(tx *gorm.DB, who audit.Entry) (*webhooks.Delivery, error) {
		return webhooks.Replay(ctx, tx, s.Webhooks, who, req.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("replay delivery: %w", err)
	}
	location := deliveryURL(body)
	return gen.ReplayWebhookDelivery202JSONResponse{Body: body, Headers: gen.ReplayWebhookDelivery202ResponseHeaders{Location: &location, RetryAfter: &retrySeconds}}, nil
}

func deliveryURL(d gen.WebhookDeliveryDetail) string {
	return "/api/v1/webhook-deliveries/" + d.Delivery.ID.String()
}

// deliver begins a delivery, or finds the one that an earlier request with this key has begun.
func (s *Server) deliver(ctx context.Context, begin func(tx *gorm.DB, who audit.Entry) (*webhooks.Delivery, error)) (body gen.WebhookDeliveryDetail, err error) {
	claim := once.From(ctx)
	err = s.inShop(ctx, func(tx *gorm.DB, who audit.Entry) error {
		var d *webhooks.Delivery
		var err error
		if id := claim.Made(); id != uuid.Nil {
			d, err = webhooks.DeliveryByID(tx, id)
		} else if d, err = begin(tx, who); err == nil {
			err = claim.Keep(tx, d.ID)
		}
		if err == nil {
			body = deliveryDetail(d)
		}
		return err
	})
	return body, err
}

// ListWebhookDeliveries pages through the log of deliveries.
func (s *Server) ListWebhookDeliveries(ctx context.Context, req gen.ListWebhookDeliveriesRequestObject) (gen.ListWebhookDeliveriesResponseObject, error) {
	before, _, err := decodeCursor(cursorDeliveries, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := webhooks.Filter{
		Before: before, Limit: pageSize(req.Params.Limit), Endpoint: value(req.Params.EndpointID), State: webhooks.DeliveryState(value(req.Params.State)), Kind: webhooks.Kind(value(req.Params.Type)),
	}
	var list []webhooks.Delivery
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, err = webhooks.Deliveries(tx, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.WebhookDeliveryPage{Items: []gen.WebhookDelivery{}}
	if len(list) == f.Limit {
		page.NextCursor = encodeCursor(cursorDeliveries, list[f.Limit-1].ID, 0)
	}
	for i := range list {
		page.Items = append(page.Items, deliveryBody(&list[i]))
	}
	return gen.ListWebhookDeliveries200JSONResponse(page), nil
}

// GetWebhookDelivery shows one delivery with its attempts.
func (s *Server) GetWebhookDelivery(ctx context.Context, req gen.GetWebhookDeliveryRequestObject) (gen.GetWebhookDeliveryResponseObject, error) {
	var d *webhooks.Delivery
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		d, err = webhooks.DeliveryByID(tx, req.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.GetWebhookDelivery200JSONResponse(deliveryDetail(d)), nil
}

func kindsOf(list *[]gen.WebhookKind) *[]webhooks.Kind {
	if list == nil {
		return nil
	}
	kinds := make([]webhooks.Kind, len(*list))
	for i, k := range *list {
		kinds[i] = webhooks.Kind(k)
	}
	return &kinds
}

func endpointBody(e *webhooks.Endpoint) gen.WebhookEndpoint {
	body := gen.WebhookEndpoint{
		ID: e.ID, URL: e.URL, Description: e.Description, Kinds: []gen.WebhookKind{}, State: gen.WebhookEndpointState(e.State), DisabledReason: optional(string(e.Reason)), DisabledAt: utc(e.DisabledAt),
		FailingSince: utc(e.FailingSince), OldSecretUntil: utc(e.RotatedUntil), CreatedAt: e.CreatedAt.UTC(), UpdatedAt: e.UpdatedAt.UTC(),
	}
	for _, k := range e.Kinds {
		body.Kinds = append(body.Kinds, gen.WebhookKind(k))
	}
	return body
}

func deliveryBody(d *webhooks.Delivery) gen.WebhookDelivery {
	return gen.WebhookDelivery{
		ID: d.ID, EventID: d.Event, EndpointID: d.Endpoint, Type: gen.WebhookEventType(d.Kind), State: gen.WebhookDeliveryState(d.State), Cause: gen.WebhookDeliveryCause(d.Cause), Attempts: d.Attempts,
		LastStatus: d.LastStatus, NextAttemptAt: utc(d.NextAttemptAt), EndedAt: utc(d.EndedAt), CreatedAt: d.CreatedAt.UTC(),
	}
}

func deliveryDetail(d *webhooks.Delivery) gen.WebhookDeliveryDetail {
	body := gen.WebhookDeliveryDetail{Delivery: deliveryBody(d), Body: d.Body, Log: []gen.WebhookAttempt{}}
	for _, a := range d.Log {
		one := gen.WebhookAttempt{At: a.At.UTC(), Ms: a.MS, Error: optional(a.Error), Answer: a.Answer}
		if a.Status != 0 {
			one.Status = &a.Status
		}
		body.Log = append(body.Log, one)
	}
	return body
}
