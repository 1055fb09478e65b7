// Package outbound makes the only HTTP clients that may leave the house: to payment providers and to addresses that customers chose.
//
// Every address is checked when it is dialled, after name resolution, so neither a name that resolves to 10.0.0.1, nor one that changes
// its answer between check and use, nor a redirect reaches the private network or a cloud's metadata service. Every client has an
// overall timeout, a limit on the response's size (after decompression) and follows no redirects unless asked. Logs name the method, the host and the outcome;
// paths, queries, headers and bodies are never logged, because they carry keys, references and people.
//
// The environment's HTTP_PROXY is ignored: through a proxy the dialled address would be the proxy's, and the guard would be blind.
package outbound
