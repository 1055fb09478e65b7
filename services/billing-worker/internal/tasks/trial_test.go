package tasks_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/assist"
	"makola/pkg/billing"
	chatfake "makola/pkg/chat/fake"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

func TestEveryTaskPassesTheTrial(t *testing.T) {
	t.Parallel()
	arrange := func(t *testing.T, pg *postgrestest.Database, sample func(s *shop, p *billing.Purchase) tasktest.Sample) tasktest.Sample {
		t.Helper()
		s := &shop{gateway: pg.Open("makola_gateway"), webhook: pg.Open("makola_webhook")}
		s.tenant, s.owner = openShop(t, pg)
		return sample(s, s.buy(t))
	}
	model := &chatfake.Server{}
	// standing is a platform's task on a business whose subscription is so.
	standing := func(set string, args proto.Message) func(*testing.T, *postgrestest.Database) tasktest.Sample {
		return func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
			t.Helper()
			openShop(t, pg)
			_, err := pg.Admin().Exec(t.Context(), "update billing.subscription set "+set)
			require.NoError(t, err)
			return tasktest.Sample{Args: args}
		}
	}
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_billing",
		Register: func(pg *postgrestest.Database, r contract.Registrar, q *task.Queue) {
			impl, _ := register(r, pg.Open("makola_billing"), q, &provider{answer: payments.Verification{Status: payments.StatusSucceeded, ProviderStatus: "success",
				Amount: money.FromMinor(9600, money.GHS), ProviderTransactionID: "1"}, refund: payments.Refund{ID: "7", State: payments.ReturnDone, ProviderStatus: "processed"}})
			impl.Assist = modelOf(t, impl.DB, model)
		},
		Samples: map[string]func(t *testing.T, pg *postgrestest.Database) tasktest.Sample{
			"ai_features.answer_question":  sampleOf(assist.Question, func(id string) proto.Message { return &aifeatures.AnswerQuestionArgs{RequestId: id} }),
			"ai_features.describe_product": sampleOf(assist.Description, func(id string) proto.Message { return &aifeatures.DescribeProductArgs{RequestId: id} }),
			"ai_features.process_payment_webhook": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					e := success(p)
					require.NoError(t, s.webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
						_, err := billing.RecordEvents(tx, []billing.Event{e})
						return err
					}))
					return tasktest.Sample{Args: &aifeatures.ProcessPaymentWebhookArgs{PaymentReference: p.Reference, EventId: e.ID.String()}, Tenant: s.tenant}
				})
			},
			"ai_features.process_webhook_event": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					e := success(p)
					require.NoError(t, s.webhook.InSystem(t.Context(), func(tx *gorm.DB) error {
						_, err := billing.RecordEvents(tx, []billing.Event{e})
						return err
					}))
					return tasktest.Sample{Args: &aifeatures.ProcessWebhookEventArgs{EventId: e.ID.String()}, Tenant: s.tenant}
				})
			},
			"ai_features.verify_payment": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					return tasktest.Sample{Args: &aifeatures.VerifyPaymentArgs{PaymentReference: p.Reference}, Tenant: s.tenant}
				})
			},
			"ai_features.grant_credits": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					return tasktest.Sample{Args: &aifeatures.GrantCreditsArgs{BusinessId: s.tenant.String(), GrantId: p.ID.String(), Credits: "5", Actor: "kofi", Reason: "a gift"}, Tenant: s.tenant}
				})
			},
			"ai_features.reverse_transfer": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					s.lots(t, pg.Admin(), 3_00)
					var id string
					require.NoError(t, pg.Admin().QueryRow(t.Context(), "select id::text from billing.ledger_transfer").Scan(&id))
					return tasktest.Sample{Args: &aifeatures.ReverseTransferArgs{BusinessId: s.tenant.String(), TransferId: id, Actor: "kofi", Reason: "a mistake"}, Tenant: s.tenant}
				})
			},
			"ai_features.resolve_review": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					e := billing.Evidence{Provider: "paystack", Reference: p.Reference, Status: payments.StatusSucceeded, Amount: money.FromMinor(9599, money.GHS), TransactionID: "t"}
					settle(t, pg, e)
					var id string
					require.NoError(t, pg.Admin().QueryRow(t.Context(), "select id::text from billing.payment_review").Scan(&id))
					return tasktest.Sample{Args: &aifeatures.ResolveReviewArgs{ReviewId: id, Decision: "approve", Actor: "kofi", Reason: "a pesewa"}, Tenant: s.tenant}
				})
			},
			"ai_features.refund_purchase": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					settle(t, pg, billing.Evidence{Provider: "paystack", Reference: p.Reference, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "t"})
					return tasktest.Sample{Args: &aifeatures.RefundPurchaseArgs{PaymentReference: p.Reference, Actor: "kofi", Reason: "asked for"}, Tenant: s.tenant}
				})
			},
			"subscriptions.refund_payment": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					p := s.order(t)
					require.NoError(t, pg.Open("makola_billing").InSystem(t.Context(), func(tx *gorm.DB) error {
						_, err := billing.SettleSubscriptions(t.Context(), tx, []billing.Evidence{{Provider: "paystack", Reference: p.Reference, Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "t"}}, time.Now())
						return err
					}))
					return tasktest.Sample{Args: &subscriptionspb.RefundPaymentArgs{PaymentReference: p.Reference, Actor: "esi", Reason: "asked for"}, Tenant: s.tenant}
				})
			},
			"subscriptions.process_payment": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					e := successOfMonth(s.order(t))
					s.store(t, e)
					return tasktest.Sample{Args: &subscriptionspb.ProcessPaymentArgs{PaymentReference: e.Reference, EventId: e.ID.String()}, Tenant: s.tenant}
				})
			},
			"subscriptions.process_webhook_event": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					e := successOfMonth(s.order(t))
					s.store(t, e)
					return tasktest.Sample{Args: &subscriptionspb.ProcessWebhookEventArgs{EventId: e.ID.String()}}
				})
			},
			"subscriptions.verify_payment": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					p := s.order(t)
					_, err := pg.Admin().Exec(t.Context(), "update billing.subscription_payment set base_minor = 8000, tax_minor = 1600, amount_expected = 9600") // what the provider answers
					require.NoError(t, err)
					return tasktest.Sample{Args: &subscriptionspb.VerifyPaymentArgs{PaymentReference: p.Reference, Reason: "return"}, Tenant: s.tenant}
				})
			},
			"subscriptions.reconcile_payments": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					_, err := pg.Admin().Exec(t.Context(), "update billing.subscription_payment set created_at = now() - interval '1 hour' where id = $1", s.order(t).ID)
					require.NoError(t, err)
					return tasktest.Sample{Args: &subscriptionspb.ReconcilePaymentsArgs{}}
				})
			},
			"subscriptions.cleanup_expired_subscriptions": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(*shop, *billing.Purchase) tasktest.Sample {
					_, err := pg.Admin().Exec(t.Context(), "update billing.subscription set period_start = now() - interval '15 days', period_end = now() - interval '1 day'")
					require.NoError(t, err)
					return tasktest.Sample{Args: &subscriptionspb.CleanupExpiredSubscriptionsArgs{}}
				})
			},
			"subscriptions.check_payment_gateway_health": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				_, err := pg.Admin().Exec(t.Context(), "insert into billing.gateway_health (provider, state, consecutive_failures, opened_at, last_error) values ('paystack', 'OPEN', 5, now() - interval '6 minutes', 'HTTP 502')")
				require.NoError(t, err)
				return tasktest.Sample{Args: &subscriptionspb.CheckPaymentGatewayHealthArgs{}}
			},
			"subscriptions.process_trial_expirations": standing(`period_start = now() - interval '15 days', period_end = now() - interval '1 hour'`, &subscriptionspb.ProcessTrialExpirationsArgs{}),
			"subscriptions.check_trial_expirations":   standing(`period_end = now() + interval '2 days'`, &subscriptionspb.CheckTrialExpirationsArgs{}),
			"subscriptions.send_subscription_expiry_reminders": standing(`status = 'ACTIVE', is_trial = false, period_end = now() + interval '2 days'`,
				&subscriptionspb.SendSubscriptionExpiryRemindersArgs{}),
			"subscriptions.process_auto_renewals": standing(`status = 'ACTIVE', is_trial = false, auto_renew = true, period_end = now() + interval '1 hour'`,
				&subscriptionspb.ProcessAutoRenewalsArgs{}),
			"subscriptions.generate_monthly_invoices": standing(`status = 'ACTIVE', is_trial = false, auto_renew = true, period_start = now() - interval '1 month', period_end = now() - interval '1 hour'`,
				&subscriptionspb.GenerateMonthlyInvoicesArgs{}),
			"subscriptions.send_payment_reminders": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				sample := standing(`status = 'ACTIVE', is_trial = false, auto_renew = true, period_start = now() - interval '2 months', period_end = now() - interval '4 days'`,
					&subscriptionspb.SendPaymentRemindersArgs{})(t, pg)
				require.NoError(t, pg.Open("makola_billing").InSystem(t.Context(), func(tx *gorm.DB) error {
					issued, _, err := billing.IssueRenewals(tx, time.Now(), true, 1)
					require.Len(t, issued, 1)
					return err
				}))
				return sample
			},
			"subscriptions.check_usage_limits": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				sample := standing(`status = 'ACTIVE', is_trial = false`, &subscriptionspb.CheckUsageLimitsArgs{})(t, pg)
				_, err := pg.Admin().Exec(t.Context(), `insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), s.tenant_id, 'STOREFRONT', n, n from billing.subscription s, unnest('{AA,BB}'::text[]) n`)
				require.NoError(t, err)
				return sample
			},
			"subscriptions.cleanup_old_webhook_events": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				oldEvents(t, pg)
				return tasktest.Sample{Args: &subscriptionspb.CleanupOldWebhookEventsArgs{}}
			},
			"subscriptions.set_pricing_tier": standing(`storefronts = 1`, &subscriptionspb.SetPricingTierArgs{
				TierId: uuid.NewString(), MinStorefronts: 3, BasePrice: "190.00", PricePerAdditional: "0", Actor: "esi", Reason: "costs"}),
			"subscriptions.set_tax": standing(`storefronts = 1`, &subscriptionspb.SetTaxArgs{
				Code: "VAT", Name: "Value Added Tax", RateBp: 1600, CalculationOrder: 3, EffectiveFrom: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Actor: "esi", Reason: "the law"}),
			"subscriptions.set_service_charge": standing(`storefronts = 1`, &subscriptionspb.SetServiceChargeArgs{
				Code: "CARD", Name: "Card fee", Kind: "PERCENTAGE", RateBp: 195, OnTotal: true, EffectiveFrom: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Actor: "esi", Reason: "fees"}),
			"subscriptions.send_cancellation_notice": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				sample := standing(`status = 'ACTIVE', is_trial = false, cancel_at_period_end = true`, nil)(t, pg)
				var id string
				require.NoError(t, pg.Admin().QueryRow(t.Context(), "select tenant_id::text from billing.subscription").Scan(&id))
				sample.Args, sample.Tenant = &subscriptionspb.SendCancellationNoticeArgs{BusinessId: id}, uuid.MustParse(id)
				return sample
			},
			"subscriptions.suspend_subscription": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					return tasktest.Sample{Args: &subscriptionspb.SuspendSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "fraud"}, Tenant: s.tenant}
				})
			},
			"subscriptions.activate_subscription": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					_, err := pg.Admin().Exec(t.Context(), "update billing.subscription set status = 'SUSPENDED', suspended_at = now()")
					require.NoError(t, err)
					return tasktest.Sample{Args: &subscriptionspb.ActivateSubscriptionArgs{BusinessId: s.tenant.String(), Actor: "esi", Reason: "cleared"}, Tenant: s.tenant}
				})
			},
			"ai_features.record_usage": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					s.lots(t, pg.Admin(), 3_00)
					return tasktest.Sample{Args: &aifeatures.RecordUsageArgs{HoldId: s.use(t, "credit_assessment").ID.String()}, Tenant: s.tenant}
				})
			},
			"ai_features.expire_credits": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					s.lots(t, pg.Admin(), 3_00, 2_00)
					_, err := pg.Admin().Exec(t.Context(), "update billing.credit_lot set expires_at = now()")
					require.NoError(t, err)
					return tasktest.Sample{Args: &aifeatures.ExpireCreditsArgs{}}
				})
			},
			"ai_features.check_low_ai_credits": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					s.lots(t, pg.Admin(), 3_00)
					return tasktest.Sample{Args: &aifeatures.CheckLowAiCreditsArgs{}}
				})
			},
			"ai_features.send_low_credit_alert": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, _ *billing.Purchase) tasktest.Sample {
					s.lots(t, pg.Admin(), 3_00)
					alerts := raise(t, pg.Open("makola_billing"))
					require.Len(t, alerts, 1)
					return tasktest.Sample{Args: &aifeatures.SendLowCreditAlertArgs{BusinessId: s.tenant.String(), AlertId: alerts[0].ID.String()}, Tenant: s.tenant}
				})
			},
			"ai_features.send_credit_purchase_notification": func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				return arrange(t, pg, func(s *shop, p *billing.Purchase) tasktest.Sample {
					_, err := pg.Admin().Exec(t.Context(), "update billing.credit_purchase set status = 'completed', completed_at = now()")
					require.NoError(t, err)
					return tasktest.Sample{Args: &aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: p.ID.String()}, Tenant: s.tenant}
				})
			},
		},
	})
}
