package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/audit"
	"makola/pkg/document"
	"makola/pkg/imports"
	"makola/pkg/inventory"
	"makola/pkg/problem"
	"makola/pkg/storage"
	"makola/pkg/tabular"
	"makola/pkg/task"
	inventorypb "makola/proto/makola/inventory/v1"
	salespb "makola/proto/makola/sales/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

const (
	// uploadTime bounds how long a file may take to arrive: 64 MiB at a megabit a second take nine minutes.
	uploadTime = 10 * time.Minute
	// recordTime bounds what is done in the database before and after.
	recordTime = 10 * time.Second
	// firstFaults is how many faults an import shows by itself.
	firstFaults = 20
)

var (
	// errNoStorage reports that this installation keeps no files.
	errNoStorage = problem.New(problem.Unavailable, "storage_missing", "Files cannot be uploaded here: the operator has configured no place for them.")
	// errImportPlace reports a place where none belongs, or none where one does.
	errImportPlace   = parameterProblem("location_id", "required", "is missing: opening stock lies somewhere")
	errImportNoPlace = parameterProblem("location_id", "not_allowed", "is only for opening stock")
)

// importPermission is what each kind of import needs besides can_manage_products.
func importPermission(k imports.Kind) accounts.Permission {
	switch k {
	case imports.Customers:
		return accounts.ManageCustomers
	case imports.OpeningStock:
		return accounts.UpdateStock
	case imports.Products:
	}
	return accounts.ManageProducts
}

// CreateImport takes a file in. The bytes go to the storage as they come, whatever the file's size; the row and the task follow when it is whole. A client that goes away
// leaves nothing behind.
func (s *Server) CreateImport(c *gin.Context) {
	i, err := s.importOf(c)
	if err == nil {
		i, err = s.receive(c, i)
	}
	if err != nil {
		edge.Fail(c, err)
		return
	}
	at := "/api/v1/imports/" + i.ID.String()
	c.Header("Location", at)
	c.Header("Retry-After", pollAfter)
	c.JSON(http.StatusAccepted, gen.ImportAccepted{ImportID: i.ID, TaskID: i.Task, StatusURL: at})
}

// importOf reads the parameters, and refuses what must not even be uploaded.
func (s *Server) importOf(c *gin.Context) (*imports.Import, error) {
	if s.Files == nil {
		return nil, errNoStorage
	}
	i := &imports.Import{
		Kind: imports.Kind(strings.ToUpper(c.Query("kind"))), OnError: strings.ToUpper(c.DefaultQuery("on_error", "abort")), OnExisting: strings.ToUpper(c.DefaultQuery("on_existing", "fault")),
		DryRun: c.Query("dry_run") == "true", FileName: c.Query("file_name"),
	}
	if !auth.From(c.Request.Context()).May(importPermission(i.Kind)) {
		return nil, errPermission
	}
	place := c.Query("location_id")
	switch stock := i.Kind == imports.OpeningStock; {
	case stock && place == "":
		return nil, errImportPlace
	case !stock && place != "":
		return nil, errImportNoPlace
	case stock:
		id, err := uuid.Parse(place)
		if err != nil {
			return nil, parameterProblem("location_id", "invalid", "is no id")
		}
		i.Location = id
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), recordTime)
	defer cancel()
	return i, s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		if i.Location != uuid.Nil {
			if err := inventory.ImportPlace(tx, i.Location); err != nil {
				return err
			}
		}
		return imports.Room(tx)
	})
}

// receive stores the file, and then its import with the task.
func (s *Server) receive(c *gin.Context, i *imports.Import) (made *imports.Import, err error) {
	ctx := c.Request.Context()
	if c.Request.ContentLength > s.ImportBytes {
		return nil, &http.MaxBytesError{Limit: s.ImportBytes}
	}
	slow := http.NewResponseController(c.Writer)
	// A server that knows no deadlines, as in some tests, has none to lift.
	_ = slow.SetReadDeadline(time.Now().Add(uploadTime))
	_ = slow.SetWriteDeadline(time.Now().Add(uploadTime + recordTime))
	if i.ID, err = uuid.NewV7(); err != nil {
		return nil, fmt.Errorf("make import id: %w", err)
	}
	who := auth.From(ctx)
	i.FileKey = storage.Key(imports.FilePurpose, who.Tenant, i.ID, time.Now())
	kept := false
	defer func() {
		if !kept { // whatever fails to go now goes with the sweep
			dctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
			defer cancel()
			_ = s.Files.Delete(dctx, i.FileKey)
		}
	}()
	body := &upload{r: c.Request.Body}
	written, err := s.Files.Put(ctx, i.FileKey, body, s.ImportBytes)
	switch {
	case errors.Is(err, storage.ErrTooLarge):
		return nil, &http.MaxBytesError{Limit: s.ImportBytes}
	case body.err != nil:
		return nil, edge.BodyError(body.err)
	case err != nil:
		return nil, fmt.Errorf("store uploaded file: %w", err)
	case written.Size == 0:
		return nil, problem.New(problem.Malformed, "body_missing", "This address wants a file.")
	}
	i.FileSize, i.SHA256 = written.Size, written.SHA256
	rctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	same := false
	err = s.DB.InTenant(rctx, func(tx *gorm.DB) error {
		made, same, err = imports.Create(tx, audit.Entry{Tenant: who.Tenant, User: who.User, Actor: who.Email}, *i, func() (uuid.UUID, error) { return s.beginImport(rctx, tx, i) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record import: %w", err)
	}
	kept = !same
	return made, nil
}

// upload remembers that the client, and not the disk, failed.
type upload struct {
	r   io.Reader
	err error
}

func (u *upload) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

func (s *Server) beginImport(ctx context.Context, tx *gorm.DB, i *imports.Import) (uuid.UUID, error) {
	id, by := i.ID.String(), task.CreatedBy(auth.From(ctx).User)
	switch i.Kind {
	case imports.Customers:
		return s.Sales.ImportCustomers(ctx, tx, &salespb.ImportCustomersArgs{ImportId: id}, by)
	case imports.OpeningStock:
		return s.Inventory.ImportOpeningStock(ctx, tx, &inventorypb.ImportOpeningStockArgs{ImportId: id}, by)
	case imports.Products:
	}
	return s.Inventory.ImportProducts(ctx, tx, &inventorypb.ImportProductsArgs{ImportId: id}, by)
}

// ListImports pages through the imports of a business.
func (s *Server) ListImports(ctx context.Context, req gen.ListImportsRequestObject) (gen.ListImportsResponseObject, error) {
	before, _, err := decodeCursor(cursorImports, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Params.Limit)
	var list []*imports.Import
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, err = imports.List(tx, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.ImportPage{Items: []gen.Import{}}
	if len(list) == limit {
		page.NextCursor = encodeCursor(cursorImports, list[limit-1].ID, 0)
	}
	for _, i := range list {
		page.Items = append(page.Items, importBody(i))
	}
	return gen.ListImports200JSONResponse(page), nil
}

// faultsOf reads an import and its first faults. Whoever may not bring a kind may not read its files either.
func (s *Server) faultsOf(ctx context.Context, id uuid.UUID, limit int) (i *imports.Import, faults []tabular.Error, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if i, err = imports.ByID(tx, id); err != nil {
			return err
		}
		if !auth.From(ctx).May(importPermission(i.Kind)) {
			return errPermission
		}
		faults, err = imports.Faults(tx, id, limit)
		return err
	})
	return i, faults, err
}

// GetImport shows one import.
func (s *Server) GetImport(ctx context.Context, req gen.GetImportRequestObject) (gen.GetImportResponseObject, error) {
	i, faults, err := s.faultsOf(ctx, req.ID, firstFaults)
	if err != nil {
		return nil, err
	}
	body := importBody(i)
	first := make([]gen.ImportFault, len(faults))
	for k, f := range faults {
		first[k] = gen.ImportFault{Line: f.Line, Column: f.Column, Value: f.Value, Reason: f.Reason}
	}
	body.FirstFaults = &first
	return gen.GetImport200JSONResponse(body), nil
}

// GetImportFaults is the table of what is wrong with a file.
func (s *Server) GetImportFaults(ctx context.Context, req gen.GetImportFaultsRequestObject) (gen.GetImportFaultsResponseObject, error) {
	i, faults, err := s.faultsOf(ctx, req.ID, imports.MaxFaults)
	if err != nil {
		return nil, err
	}
	rows := func(yield func([]document.Cell, error) bool) {
		for _, f := range faults {
			if !yield([]document.Cell{document.Integer(int64(f.Line)), document.Text(f.Column), document.Text(f.Value), document.Text(f.Reason)}, nil) {
				return
			}
		}
	}
	var b bytes.Buffer
	err = document.WriteCSV(&b, &document.Report{Title: "Faults", Business: i.FileName, Currency: "GHS", Tables: []document.Table{{
		Name: "Faults", Rows: rows, Columns: []document.Column{{Title: "Line", Kind: document.KindInteger}, {Title: "Column"}, {Title: "Value"}, {Title: "Reason"}},
	}}})
	if err != nil {
		return nil, fmt.Errorf("write faults of import: %w", err)
	}
	return gen.GetImportFaults200TextCsvResponse{
		Body: &b, ContentLength: int64(b.Len()), Headers: gen.GetImportFaults200ResponseHeaders{ContentDisposition: attachment("faults_" + i.ID.String())},
	}, nil
}

// attachment names a file for the client's disk. name is ours, never a client's.
func attachment(name string) *string { return optional(`attachment; filename="` + name + `.csv"`) }

// GetImportTemplate is a file to fill in.
func (s *Server) GetImportTemplate(_ context.Context, req gen.GetImportTemplateRequestObject) (gen.GetImportTemplateResponseObject, error) {
	text := imports.Template(imports.Kind(strings.ToUpper(string(req.Kind))))
	return gen.GetImportTemplate200TextCsvResponse{
		Body: strings.NewReader(text), ContentLength: int64(len(text)), Headers: gen.GetImportTemplate200ResponseHeaders{ContentDisposition: attachment(string(req.Kind))},
	}, nil
}

func importBody(i *imports.Import) gen.Import {
	status, progress := gen.ImportStatus(i.Status), 100
	var note, failed *string
	if i.Status == imports.Pending {
		progress = i.Progress.Percent()
		switch i.TaskState {
		case task.Running:
			status = "PROCESSING"
			if i.Progress != nil {
				note = optional(fmt.Sprintf("%s, %d rows", i.Progress.Note, i.Progress.Done))
			}
		case task.Cancelled:
			status = "CANCELLED"
		case task.Pending, task.Published:
			status = "QUEUED"
		case task.Failed, task.Succeeded:
			status, failed = "FAILED", optional(i.TaskError)
		default: // the task was forgotten, and never wrote what it did
			status = "FAILED"
		}
	}
	var place *uuid.UUID
	if i.Location != uuid.Nil {
		place = &i.Location
	}
	return gen.Import{
		ID: i.ID, Kind: gen.ImportKind(strings.ToLower(string(i.Kind))), Status: status, OnError: gen.ImportOnError(strings.ToLower(i.OnError)), OnExisting: gen.ImportOnExisting(strings.ToLower(i.OnExisting)),
		LocationID: place, DryRun: i.DryRun, FileName: i.FileName, FileSize: i.FileSize, Format: i.Format, IgnoredColumns: append([]string{}, i.Ignored...), Progress: progress, Note: note, Error: failed,
		Rows: i.Rows, Created: i.Created, Updated: i.Updated, Skipped: i.Skipped, Faults: i.Faults, TaskID: i.Task, CreatedBy: i.CreatedBy, CreatedAt: i.CreatedAt.UTC(), FinishedAt: utc(i.FinishedAt),
	}
}
