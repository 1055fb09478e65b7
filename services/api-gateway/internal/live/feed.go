package live

import (
	"context"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"makola/services/api-gateway/internal/auth"
)

// News is what came for a person since they were sent something last.
type News struct {
	// Notices are the new ones as JSON, the oldest first.
	Notices [][]byte
	// Unread is how many are unread in all.
	Unread int
	// Mark is where to go on, at whichever replica. It is made of ASCII without spaces or line breaks.
	Mark string
}

// Feed answers GET /api/v1/notifications/stream. Set its fields before the first request.
type Feed struct {
	Hub *Hub
	// Read returns what the caller has not been sent since mark; without a mark, or with a wrong one, what is so now.
	Read func(ctx context.Context, mark string) (News, error)
	// Patience is as for Streams.
	Patience time.Duration
}

// Handle streams a person's notices until the client leaves, the gateway stops or the stream has lived long enough. All of a business's feeds are rung for together: the news
// that rings names the business alone.
//
// The notices of one look have no ids; the event with the unread count that closes it has the mark. So a client that is cut off in the middle is sent all of them again,
// rather than none.
func (f *Feed) Handle(c *gin.Context) {
	mark, unread := c.GetHeader("Last-Event-ID"), -1
	serve(c, f.Hub, auth.From(c.Request.Context()).Tenant, f.Patience, func(ctx context.Context) (frames string, ended bool, err error) {
		news, err := f.Read(ctx, mark)
		if err != nil {
			return "", false, err
		}
		mark = news.Mark
		for _, n := range news.Notices {
			frames += frame("notice", "", n)
		}
		if frames != "" || news.Unread != unread {
			unread = news.Unread
			frames += frame("unread", mark, []byte(`{"unread":`+strconv.Itoa(unread)+`}`))
		}
		return frames, false, nil
	})
}
