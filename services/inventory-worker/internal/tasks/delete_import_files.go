package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/imports"
	"makola/pkg/storage"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
)

// DeleteImportFiles deletes uploaded files whose time is over. The disk says how old they are, so that those are found too that no import names: a gateway may have died
// between the file and the row. Imports themselves are kept for longer, and deleted with what was wrong in them.
// LONG: it waits for the disk, and then deletes rows.
func (i *Inventory) DeleteImportFiles(ctx context.Context, _ contract.Run, _ *inventorypb.DeleteImportFilesArgs) (contract.Commit[*inventorypb.DeleteImportFilesResult], error) {
	deleted, err := i.Imports.Files.DeleteBefore(ctx, imports.FilePurpose, time.Now().Add(-imports.FileLife))
	if err != nil && !errors.Is(err, storage.ErrNone) { // where no files are kept, none are old
		return nil, fmt.Errorf("delete import files: %w", err)
	}
	return func(tx *gorm.DB) (*inventorypb.DeleteImportFilesResult, error) {
		n, err := imports.Prune(tx)
		return &inventorypb.DeleteImportFilesResult{Deleted: deleted, Imports: n}, err
	}, nil
}
