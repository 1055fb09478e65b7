package main

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"makola/pkg/problem"
)

//go:embed page.html style.css
var assets embed.FS

// policy lets the page use its own style sheet and nothing else: no script, no image, no address but this one. The frame that shows a mail
// inherits it, so a mail cannot tell its sender that it was opened; inline styles are permitted because mails are made of them.
const policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// summary is a mail in GET /api/messages.
type summary struct {
	ID         string    `json:"id"`
	MessageID  string    `json:"message_id"`
	From       string    `json:"from"`
	To         []string  `json:"to"`
	Subject    string    `json:"subject"`
	ReceivedAt time.Time `json:"received_at"`
	SizeBytes  int       `json:"size_bytes"`
}

// message is a mail in GET /api/messages/{id}.
type message struct {
	summary
	Text   string              `json:"text"`
	HTML   string              `json:"html"`
	Header map[string][]string `json:"headers"`
	Raw    string              `json:"raw"`
}

func summarize(e entry) summary {
	return summary{e.ID, e.MessageID, e.From, e.EnvelopeTo, e.Subject, e.ReceivedAt, len(e.Raw)}
}

// viewer serves the page and the API.
type viewer struct {
	store *store
	page  *template.Template
}

func newHandler(s *store) http.Handler {
	v := &viewer{store: s, page: template.Must(template.New("page.html").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Local().Format("2 Jan 15:04:05") },
		"join":  func(list []string) string { return strings.Join(list, ", ") },
	}).ParseFS(assets, "page.html"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", v.show)
	mux.HandleFunc("GET /messages/{id}", v.show)
	mux.HandleFunc("POST /clear", v.clearPage)
	mux.HandleFunc("GET /api/messages", v.list)
	mux.HandleFunc("GET /api/messages/{id}", v.get)
	mux.HandleFunc("DELETE /api/messages", func(w http.ResponseWriter, _ *http.Request) {
		s.clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.Handle("GET /style.css", http.FileServerFS(assets))
	return secure(mux)
}

// secure refuses changes that another site's page asks for, and sets the security headers.
func secure(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// show renders the list, and beside it one mail.
func (v *viewer) show(w http.ResponseWriter, r *http.Request) {
	to := strings.TrimSpace(r.URL.Query().Get("to"))
	data := struct {
		To, Tab string
		Mails   []entry
		Open    *entry
		Raw     string
	}{To: to, Mails: v.store.list(to, time.Time{})}
	if id := r.PathValue("id"); id != "" {
		e, ok := v.store.get(id)
		if !ok {
			problem.WriteError(w, r, problem.New(problem.NotFound, "", "There is no such mail; it may have been cleared."))
			return
		}
		data.Open, data.Raw = &e, strings.ToValidUTF8(string(e.Raw), "\uFFFD")
		data.Tab = r.URL.Query().Get("tab")
		if data.Tab != "text" && data.Tab != "raw" {
			data.Tab = "html"
		}
		if data.Tab == "html" && e.HTML == "" {
			data.Tab = "text"
		}
	} else {
		w.Header().Set("Refresh", "5") // the list renews itself without any script
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := v.page.Execute(w, data); err != nil {
		slog.WarnContext(r.Context(), "page not rendered", "error", err.Error())
	}
}

func (v *viewer) clearPage(w http.ResponseWriter, r *http.Request) {
	v.store.clear()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (v *viewer) list(w http.ResponseWriter, r *http.Request) {
	var since time.Time
	if s := r.URL.Query().Get("since"); s != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, s); err != nil {
			problem.WriteError(w, r, problem.New(problem.Invalid, "", "", problem.FieldError{Field: "since", Code: "wrong_type", Message: "must be an RFC 3339 time"}))
			return
		}
	}
	out := []summary{}
	for _, e := range v.store.list(r.URL.Query().Get("to"), since) {
		out = append(out, summarize(e))
	}
	writeJSON(w, map[string]any{"messages": out})
}

func (v *viewer) get(w http.ResponseWriter, r *http.Request) {
	e, ok := v.store.get(r.PathValue("id"))
	if !ok {
		problem.WriteError(w, r, problem.New(problem.NotFound, "", ""))
		return
	}
	writeJSON(w, message{summarize(e), e.Text, e.HTML, e.Header, strings.ToValidUTF8(string(e.Raw), "\uFFFD")})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		slog.Warn("answer not written", "error", err.Error())
	}
}
