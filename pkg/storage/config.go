package storage

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"makola/pkg/service"
)

// Config says where files lie.
type Config struct {
	URL string `env:"STORAGE_URL" doc:"Where files lie that people upload, and reports: a folder that the gateway and the workers share (file:///var/lib/makola/files), or a bucket of an object store that speaks S3 (s3://bucket?region=eu-west-1, with endpoint=https://minio.example.com when it is not Amazon's). The same for all of them. Without it nothing can be uploaded and no report made."`
	// KeyID and SecretKey are for an object store alone.
	KeyID     string         `env:"STORAGE_KEY_ID" doc:"Access key id of the object store, when STORAGE_URL is one. It needs to read, write, list and delete in that bucket, unfinished uploads too, and nothing else."`
	SecretKey service.Secret `env:"STORAGE_SECRET_KEY" doc:"Secret access key of the object store."`
}

// place is a parsed STORAGE_URL: a folder, or a bucket.
type place struct {
	folder                   string
	bucket, region, endpoint string
}

// defaultRegion is what stores that have none are told.
const defaultRegion = "us-east-1"

// parse reads the URL. Its errors repeat nothing of it.
func (c Config) parse() (p place, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return p, errors.New("is no address")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" {
			return p, errors.New("is no address of a folder")
		}
		return place{folder: u.Path}, nil
	case "s3":
	default:
		return p, errors.New("is no address of a folder or a bucket")
	}
	if u.Host == "" || u.User != nil || u.Port() != "" || strings.Trim(u.Path, "/") != "" {
		return p, errors.New("names more or less than a bucket")
	}
	p = place{bucket: u.Host, region: u.Query().Get("region"), endpoint: u.Query().Get("endpoint")}
	for key, values := range u.Query() {
		if key != "region" && key != "endpoint" || len(values) != 1 {
			return place{}, errors.New("has a parameter other than region and endpoint")
		}
	}
	if p.region == "" && p.endpoint == "" {
		return place{}, errors.New("names no region")
	}
	if p.region == "" {
		p.region = defaultRegion
	}
	if p.endpoint == "" {
		return p, nil
	}
	e, err := url.Parse(p.endpoint)
	if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Host == "" || e.User != nil || e.RawQuery != "" || strings.Trim(e.Path, "/") != "" {
		return place{}, errors.New("has an endpoint that is no http or https address")
	}
	return p, nil
}

// Validate checks what can be checked without looking at the place.
func (c Config) Validate() []error {
	if c.URL == "" {
		return nil
	}
	p, err := c.parse()
	if err != nil {
		return []error{service.Invalid("STORAGE_URL", err.Error(), "write file:///var/lib/makola/files or s3://bucket?region=eu-west-1")}
	}
	if p.bucket != "" && (c.KeyID == "" || c.SecretKey == "") {
		return []error{service.Invalid("STORAGE_URL", "is an object store, and STORAGE_KEY_ID or STORAGE_SECRET_KEY is not set", "set both")}
	}
	return nil
}

// ValidateProduction refuses an object store off this host whose files may be read on the way.
func (c Config) ValidateProduction() []error {
	p, err := c.parse()
	if err != nil || p.endpoint == "" {
		return nil
	}
	e, err := url.Parse(p.endpoint)
	if err != nil || e.Scheme == "https" || isLoopback(e.Hostname()) {
		return nil
	}
	return []error{service.Invalid("STORAGE_URL", "has an endpoint without encryption", "write endpoint=https://…")}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
