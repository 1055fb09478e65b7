// Package storage keeps files that services share: what people upload, and what is made for them. A file is bytes under a key; what it means, and who may have it, is
// said by a row of the context that wrote it.
//
//	written, err := files.Put(ctx, storage.Key("imports", tenant, id, now), body, most) // seen when it is whole, and not before
//	…commit the row that names it…
//	file, err := files.Open(ctx, key)                                                   // readable at any place, for a workbook's sake
//
// Keys begin with what the file is for and its tenant, so that a listing is one tenant's and a sweep one purpose's. A row that names a file is committed after the file is
// whole; a process that dies in between leaves a file that no row names, which DeleteBefore removes with the old ones.
//
// Files lie in a folder (file://) or in an object store that speaks S3 (s3://); all tests of the one are tests of the other. A folder must be the same for all services that
// share files: one machine, or a volume that all of them mount. It writes under a temporary name, flushes and renames. An object store gets a file in parts of 5 MiB, of which
// few are in memory; a request that fails is made three times, and then the error is the caller's, whose task is tried again.
package storage
