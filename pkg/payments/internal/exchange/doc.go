// Package exchange is what the clients of the providers share: the policies around a call, the reading of answers and of foreign text, and the checks of
// keys and addresses. What a provider says, and how it says it, is in the provider's own package.
package exchange
