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
// between the file and the row.
// LONG: it waits for the disk. There is nothing to write.
func (i *Inventory) DeleteImportFiles(ctx context.Context, _ contract.Run, _ *inventorypb.DeleteImportFilesArgs) (contract.Commit[*inventorypb.DeleteImportFilesResult], error) {
	deleted, err := i.Imports.Files.DeleteBefore(ctx, imports.FilePurpose, time.Now().Add(-imports.FileLife))
	if err != nil && !errors.Is(err, storage.ErrNone) { // where no files are kept, none are old
		return nil, fmt.Errorf("delete import files: %w", err)
	}
	return func(*gorm.DB) (*inventorypb.DeleteImportFilesResult, error) {
		return &inventorypb.DeleteImportFilesResult{Deleted: deleted}, nil
	}, nil
}
