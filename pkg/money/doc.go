// Package money holds exact amounts: integers of a currency's smallest unit, and AI credits in hundredths of a credit.
//
// There is no floating point anywhere and nothing is rounded silently: text that carries more digits than the currency has is
// refused, addition reports overflow, and two currencies never mix. The one place that rounds is [Amount.Percent], half-up
// to one minor unit, which is how each tax line is computed before the lines are summed.
//
// In JSON an amount is a decimal string ("96.00"), never a number, because many readers would turn a number into a float.
// The currency travels beside it.
package money
