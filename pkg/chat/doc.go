// Package chat speaks to a language model: any endpoint that offers OpenAI's chat completions, by its URL and key.
//
// A request either offers functions, and then the model must choose among them, or it offers none, and then the model answers in words. What comes back is foreign text: this package
// bounds its size, refuses what is no answer, and says which failures pass (UnavailableError), which may go better another time (ErrMalformed) and which stay (RefusedError). It
// believes nothing that the text says. Neither requests nor answers are logged.
package chat
