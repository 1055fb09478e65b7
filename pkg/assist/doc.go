// Package assist answers questions about a shop's own figures, and describes its products, with the help of a language model.
//
// # What the model may do
//
// The model writes no SQL and reads nothing. It is shown the question and a catalogue of figures (Figures), and chooses from it by calling functions whose arguments are closed
// sets, dates and small numbers. What it chose is checked, and read by statements that are written here, bound to the business by row security and to the storefronts of whoever
// asked. A figure that they may not see is not offered, and is refused when it is chosen all the same.
//
//	question ──▶ model chooses figures ──checked──▶ our statements read them ──▶ model words the answer ──checked──▶ words beside tables
//
// The second call offers no functions: whatever the names in the figures tell the model to do, nothing more is read. A number in the words that is in no figure and not in the
// question withholds the words; the tables, which no model has touched, are the answer then.
//
// # What leaves the house
//
// The question without mail addresses and telephone numbers, the names of the business's storefronts, and of the figures: names of products and places, counts and amounts. Customers
// are "customer 1", "customer 2"; what is kept has their ids, and they get their names when somebody reads the answer who may know them. Each call is made of one request's own
// facts, so nothing of another business can be in it.
//
// # The life of a request
//
//	Ask ──▶ PENDING ──Finish──▶ ANSWERED, and the credits are used
//	           ├──Fail──▶ FAILED, and costs nothing
//	           ╰──nobody came in time──Sweep──▶ FAILED
//
// Whoever asks sets credits aside first (billing.Reserve), which locks the business's credit account; so the requests of one business are counted one after another, and no number
// of them at once passes a limit.
package assist
