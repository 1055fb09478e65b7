package storage_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/storage"
)

func open(t *testing.T) (*storage.Files, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "not", "there", "yet")
	files, err := storage.Open(t.Context(), storage.Config{URL: "file://" + folder})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	return files, folder
}

// names lists every file below a folder, temporary ones too.
func names(t *testing.T, folder string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	}))
	return all
}

func TestWhatWasPutCanBeReadAtAnyPlace(t *testing.T) {
	t.Parallel()
	files, folder := open(t)
	tenant, id := uuid.MustParse("01890000-0000-7000-8000-000000000001"), uuid.MustParse("01890000-0000-7000-8000-000000000002")
	key := storage.Key("imports", tenant, id, time.Date(2026, 3, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600)))
	require.Equal(t, "imports/01890000-0000-7000-8000-000000000001/2026/04/01890000-0000-7000-8000-000000000002", key)
	w, err := files.Put(t.Context(), key, strings.NewReader("abc"), 3)
	require.NoError(t, err)
	require.Equal(t, storage.Written{Size: 3, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, w)
	require.Equal(t, []string{key}, names(t, folder))

	file, err := files.Open(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, 3, file.Size)
	var end [1]byte
	_, err = file.ReadAt(end[:], 2)
	require.NoError(t, err)
	require.Equal(t, "c", string(end[:]))
	require.NoError(t, file.Close())

	require.NoError(t, files.Delete(t.Context(), key))
	require.NoError(t, files.Delete(t.Context(), key))
	_, err = files.Open(t.Context(), key)
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestNothingIsKeptOfAFileThatDoesNotArriveWhole(t *testing.T) {
	t.Parallel()
	files, folder := open(t)
	_, err := files.Put(t.Context(), "imports/a", strings.NewReader("abcd"), 3)
	require.ErrorIs(t, err, storage.ErrTooLarge)
	gone := errors.New("the client has gone")
	_, err = files.Put(t.Context(), "imports/b", io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), failing{gone}), 1<<30)
	require.ErrorIs(t, err, gone)
	require.Empty(t, names(t, folder))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOldFilesOfAPurposeAreDeletedAndNoOthers(t *testing.T) {
	t.Parallel()
	files, folder := open(t)
	now := time.Now()
	for _, key := range []string{"imports/x/old", "imports/x/new", "reports/x/old"} {
		_, err := files.Put(t.Context(), key, strings.NewReader(key), 100)
		require.NoError(t, err)
		if strings.HasSuffix(key, "old") {
			require.NoError(t, os.Chtimes(filepath.Join(folder, key), now, now.Add(-8*24*time.Hour)))
		}
	}
	n, err := files.DeleteBefore(t.Context(), "imports", now.Add(-7*24*time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.ElementsMatch(t, []string{"imports/x/new", "reports/x/old"}, names(t, folder))
}

func TestWithoutAnAddressNothingIsKept(t *testing.T) {
	t.Parallel()
	files, err := storage.Open(t.Context(), storage.Config{})
	require.NoError(t, err)
	_, err = files.Put(t.Context(), "a", strings.NewReader("a"), 1)
	require.ErrorIs(t, err, storage.ErrNone)
	_, err = files.Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrNone)
	require.ErrorIs(t, files.Delete(t.Context(), "a"), storage.ErrNone)
	_, err = files.DeleteBefore(t.Context(), "a", time.Now())
	require.ErrorIs(t, err, storage.ErrNone)
	require.NoError(t, files.Close())
	for url, good := range map[string]bool{"": true, "file:///srv/files": true, "file://srv/files": false, "s3://bucket": false, "/srv/files": false, "file:///srv?x=1": false} {
		require.Equal(t, good, len(storage.Config{URL: url}.Validate()) == 0, url)
	}
}
