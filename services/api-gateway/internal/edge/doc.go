// Package edge is what every request passes before it reaches a handler, and every answer after: request ids, panics, security headers, limits,
// strict bodies, and the check against the API's description. It knows HTTP and nothing of the business.
//
// Whatever goes wrong ends in Fail, which answers with application/problem+json.
package edge
