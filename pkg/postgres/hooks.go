package postgres

import "gorm.io/gorm"

// AfterCommit registers fn to run once, after tx has committed; it is dropped when tx rolls back. It reports false when tx is not one of this package's transactions.
func AfterCommit(tx *gorm.DB, fn func()) bool {
	c, ok := tx.Statement.ConnPool.(*conn)
	if ok {
		c.after = append(c.after, fn)
	}
	return ok
}

// AtCommit leaves d for the end of tx: its statements travel with COMMIT, before those of CommitWith. It is dropped when tx rolls back.
// It reports false when tx is not one of this package's transactions.
func AtCommit(tx *gorm.DB, d Deferred) bool {
	c, ok := tx.Statement.ConnPool.(*conn)
	if ok {
		c.deferred = append(c.deferred, d)
	}
	return ok
}

// Local returns the value that tx keeps under key, making it with create on first use. It lets a library gather work during a transaction;
// nil when tx is not one of this package's transactions. Keys should be of an unexported type of the caller's.
func Local[T any](tx *gorm.DB, key any, create func() *T) *T {
	c, ok := tx.Statement.ConnPool.(*conn)
	if !ok {
		return nil
	}
	if c.local == nil {
		c.local = map[any]any{}
	}
	if v, ok := c.local[key].(*T); ok {
		return v
	}
	v := create()
	c.local[key] = v
	return v
}
