// Package problem turns errors into HTTP answers (RFC 9457, application/problem+json). It holds the one table that picks a status.
//
// A context declares what may go wrong once, and returns it wrapped like any error:
//
//	var ErrTooFewCredits = problem.New(problem.Conflict, "too_few_credits", "The credit balance does not cover this request.")
//
//	return fmt.Errorf("charge %s: %w", id, ErrTooFewCredits)
//
// Callers branch with errors.Is; the gateway answers with [From] and [Write]. Only the words given to [New] reach the client: what was
// wrapped around or beneath them is for our logs. Whatever From does not know is a 500 that says nothing but the request's id.
//
// [Catalogue] lists the codes clients may meet, for the documentation.
package problem
