// Package storage keeps files that services share: what people upload, and what is made for them. A file is bytes under a key; what it means, and who may have it, is
// said by a row of the context that wrote it.
//
//	written, err := files.Put(ctx, storage.Key("imports", tenant, id, now), body, most) // under a temporary name until it is whole, then flushed to the disk
//	…commit the row that names it…
//	file, err := files.Open(ctx, key)                                                   // readable at any place, for a workbook's sake
//
// Keys begin with what the file is for and its tenant, so that a listing is one tenant's and a sweep one purpose's. A row that names a file is committed after the file is
// whole; a process that dies in between leaves a file that no row names, which DeleteBefore removes with the old ones.
//
// The folder of a file:// URL must be the same for all services that share files: one machine, or a volume that all of them mount.
package storage
