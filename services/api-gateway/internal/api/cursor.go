package api

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"makola/pkg/problem"
	"makola/services/api-gateway/internal/api/gen"
)

// defaultLimit is the size of a page when the client names none.
const defaultLimit = 20

// The lists that have cursors. A cursor begins with its list, so that one list's is refused by another.
const (
	cursorLedger      byte = 'l'
	cursorPurchases   byte = 'p'
	cursorTasks       byte = 't'
	cursorMembers     byte = 'm'
	cursorInvitations byte = 'i'
	cursorAudit       byte = 'a'
	cursorUsage       byte = 'u'
	cursorNotices     byte = 'n'

	cursorSubscriptionPayments byte = 's'
	cursorSubscriptionInvoices byte = 'v'

	cursorCustomers   byte = 'c'
	cursorSales       byte = 'o'
	cursorReceivables byte = 'r'
	cursorWarehouses  byte = 'W'
	cursorStorefronts byte = 'F'
	cursorCategories  byte = 'C'
	cursorSuppliers   byte = 'S'
	cursorProducts    byte = 'P'
	cursorBatches     byte = 'B'
	cursorItems       byte = 'I'
	cursorAdjustments byte = 'A'
	cursorTransfers   byte = 'T'
	cursorMovements   byte = 'M'
	cursorAlerts      byte = 'L'
	cursorImports     byte = 'U'
	cursorReports     byte = 'E'
	cursorSchedules   byte = 'X'
	cursorActivity    byte = 'V'
	cursorAnswers     byte = 'Q'
	cursorDeliveries  byte = 'D'
)

// errCursor reports a cursor that we did not make.
var errCursor = problem.New(problem.Invalid, "", "",
	problem.FieldError{Field: "cursor", Code: "invalid", Message: "is not a next_cursor of this list"})

// encodeCursor writes a place in a list: after the item id, and the line within it.
func encodeCursor(list byte, id uuid.UUID, line int) *string {
	raw := binary.BigEndian.AppendUint32(append([]byte{list}, id[:]...), uint32(line))
	text := base64.RawURLEncoding.EncodeToString(raw)
	return &text
}

// decodeCursor reads what encodeCursor wrote; none is the beginning. Errors: errCursor.
func decodeCursor(list byte, cursor *gen.Cursor) (id uuid.UUID, line int, err error) {
	if cursor == nil {
		return uuid.Nil, 0, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err != nil || len(raw) != 21 || raw[0] != list {
		return uuid.Nil, 0, errCursor
	}
	return uuid.UUID(raw[1:17]), int(binary.BigEndian.Uint32(raw[17:])), nil
}

func pageSize(limit *gen.Limit) int {
	if limit == nil {
		return defaultLimit
	}
	return *limit
}
