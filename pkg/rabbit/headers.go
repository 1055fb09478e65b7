package rabbit

import "math"

// HeaderInt reads an integer header whatever integer type it travelled as. Clients in other languages choose the width by the
// value (Python sends 3 as one type and 3 000 000 000 as another), so a plain type assertion works until the day it does not.
// Floats are accepted when they hold a whole number. The second result is false when the key is missing, not a number, or
// does not fit an int64.
func HeaderInt(table Table, key string) (int64, bool) {
	switch v := table[key].(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint:
		return fromUint(uint64(v))
	case uint64:
		return fromUint(v)
	case float32:
		return fromFloat(float64(v))
	case float64:
		return fromFloat(v)
	default:
		return 0, false
	}
}

func fromUint(v uint64) (int64, bool) {
	if v > math.MaxInt64 {
		return 0, false
	}
	return int64(v), true
}

// fromFloat refuses everything a float cannot say exactly: beyond 2^53 whole numbers have gaps.
func fromFloat(v float64) (int64, bool) {
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return 0, false
	}
	return int64(v), true
}
