package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/storage"
	"makola/pkg/storage/storagetest"
)

// place is where files lie, and a look behind it.
type place struct {
	t     *testing.T
	files *storage.Files
	// names lists what is there, temporary files too.
	names func() []string
	// later lets time pass for what is there, and now is the time after that.
	later func(d time.Duration)
	now   func() time.Time
}

// everywhere runs a test in a folder and in an object store: what is promised of the one is promised of the other.
func everywhere(t *testing.T, test func(p place)) {
	t.Helper()
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		test(inFolder(t))
	})
	t.Run("an object store", func(t *testing.T) {
		t.Parallel()
		b := storagetest.New(t)
		test(place{t: t, files: open(t, b.Config()), names: func() []string { return b.Keys(t) }, later: b.Later, now: b.Now})
	})
}

func open(t *testing.T, cfg storage.Config) *storage.Files {
	t.Helper()
	files, err := storage.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	return files
}

func inFolder(t *testing.T) place {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "not", "there yet")
	p := place{t: t, files: open(t, storage.Config{URL: "file://" + folder}), now: time.Now}
	walk := func(do func(path string)) {
		require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				do(path)
			}
			return err
		}))
	}
	p.names = func() (all []string) {
		walk(func(path string) { all = append(all, strings.TrimPrefix(path, folder+"/")) })
		return all
	}
	p.later = func(d time.Duration) {
		walk(func(path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime().Add(-d)))
		})
	}
	return p
}

// noise is the same for the same seed.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func TestWhatWasPutCanBeReadAtAnyPlace(t *testing.T) {
	t.Parallel()
	everywhere(t, func(p place) {
		t := p.t
		tenant, id := uuid.MustParse("01890000-0000-7000-8000-000000000001"), uuid.MustParse("01890000-0000-7000-8000-000000000002")
		key := storage.Key("imports", tenant, id, time.Date(2026, 3, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600)))
		require.Equal(t, "imports/01890000-0000-7000-8000-000000000001/2026/04/01890000-0000-7000-8000-000000000002", key)
		for _, size := range []int{0, 3, 5 << 20, 12<<20 + 7} { // nothing, little, one part to the byte, three parts
			want := noise(1, size)
			sum := sha256.Sum256(want)
			w, err := p.files.Put(t.Context(), key, bytes.NewReader(want), int64(size))
			require.NoError(t, err)
			require.Equal(t, storage.Written{Size: int64(size), SHA256: hex.EncodeToString(sum[:])}, w)
			require.Equal(t, []string{key}, p.names())

			file, err := p.files.Open(t.Context(), key)
			require.NoError(t, err)
			require.EqualValues(t, size, file.Size)
			got, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size))
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			piece := make([]byte, 1000)
			for _, at := range []int64{int64(size) - 1000, 0, 4 << 20, 4<<20 + 2000, 6 << 20, 17} { // back, far ahead, and a little ahead
				if at < 0 || at+1000 > int64(size) {
					continue
				}
				n, err := file.ReadAt(piece, at)
				require.NoError(t, err)
				require.Equal(t, want[at:at+1000], piece[:n], "%d", at)
			}
			n, err := file.ReadAt(piece, max(0, int64(size)-2))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, min(2, size), n)
			_, err = file.ReadAt(piece, int64(size))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, file.Close())
		}

		require.NoError(t, p.files.Delete(t.Context(), key))
		require.NoError(t, p.files.Delete(t.Context(), key))
		_, err := p.files.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

func TestManyMayReadAFileAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(p place) {
		t := p.t
		want := noise(2, 1<<20)
		_, err := p.files.Put(t.Context(), "reports/a", bytes.NewReader(want), 1<<20)
		require.NoError(t, err)
		file, err := p.files.Open(t.Context(), "reports/a")
		require.NoError(t, err)
		defer file.Close()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				got, err := io.ReadAll(io.NewSectionReader(file, int64(i)<<17, 1<<17))
				if err != nil || !bytes.Equal(want[i<<17:(i+1)<<17], got) {
					t.Errorf("piece %d: %v", i, err)
				}
			})
		}
		all.Wait()
	})
}

func TestNothingIsKeptOfAFileThatDoesNotArriveWhole(t *testing.T) {
	t.Parallel()
	everywhere(t, func(p place) {
		t := p.t
		gone := errors.New("the client has gone")
		for _, size := range []int{4, 12 << 20} { // in one request, and in parts
			_, err := p.files.Put(t.Context(), "imports/a", bytes.NewReader(make([]byte, size)), int64(size)-1)
			require.ErrorIs(t, err, storage.ErrTooLarge)
			_, err = p.files.Put(t.Context(), "imports/b", io.MultiReader(bytes.NewReader(make([]byte, size)), failing{gone}), 1<<30)
			require.ErrorIs(t, err, gone)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = p.files.Put(ctx, "imports/c", io.MultiReader(bytes.NewReader(make([]byte, size)), calling{func() error { cancel(); return ctx.Err() }}), 1<<30)
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Empty(t, p.names())
		p.later(time.Hour)
		n, err := p.files.DeleteBefore(t.Context(), "imports", p.now())
		require.NoError(t, err)
		require.Zero(t, n, "no parts were left either")
	})
}

func TestAHalfWrittenFileIsNotThere(t *testing.T) {
	t.Parallel()
	everywhere(t, func(p place) {
		t := p.t
		key, seen := "reports/x/a", false
		_, err := p.files.Put(t.Context(), key, io.MultiReader(bytes.NewReader(make([]byte, 12<<20)), calling{func() error {
			_, err := p.files.Open(t.Context(), key)
			seen = !errors.Is(err, storage.ErrNotFound)
			return io.EOF
		}}), 1<<30)
		require.NoError(t, err)
		require.False(t, seen)
		require.Equal(t, []string{key}, p.names())
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type calling struct{ do func() error }

func (c calling) Read([]byte) (int, error) { return 0, c.do() }

func TestOldFilesOfAPurposeAreDeletedAndNoOthers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(p place) {
		t := p.t
		put := func(key string) {
			_, err := p.files.Put(t.Context(), key, strings.NewReader(key), 100)
			require.NoError(t, err)
		}
		put("imports/x/old")
		put("reports/x/old")
		p.later(8 * 24 * time.Hour)
		put("imports/x/new")
		n, err := p.files.DeleteBefore(t.Context(), "imports", p.now().Add(-7*24*time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.ElementsMatch(t, []string{"imports/x/new", "reports/x/old"}, p.names())
	})
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
}

func TestAddressesThatNameNoPlaceAreRefused(t *testing.T) {
	t.Parallel()
	const bucket = "s3://files?region=eu-west-1"
	for name, tt := range map[string]struct {
		cfg              storage.Config
		good, production bool
	}{
		"none":                               {storage.Config{}, true, true},
		"a folder":                           {storage.Config{URL: "file:///srv/files"}, true, true},
		"a folder of another machine":        {storage.Config{URL: "file://srv/files"}, false, false},
		"a path":                             {storage.Config{URL: "/srv/files"}, false, false},
		"a folder with parameters":           {storage.Config{URL: "file:///srv?x=1"}, false, false},
		"a bucket":                           {storage.Config{URL: bucket, KeyID: "k", SecretKey: "s"}, true, true},
		"a bucket without keys":              {storage.Config{URL: bucket}, false, false},
		"a bucket nowhere":                   {storage.Config{URL: "s3://files", KeyID: "k", SecretKey: "s"}, false, false},
		"a bucket with a key in it":          {storage.Config{URL: "s3://k:s@files?region=x", KeyID: "k", SecretKey: "s"}, false, false},
		"a folder in a bucket":               {storage.Config{URL: "s3://files/a?region=x", KeyID: "k", SecretKey: "s"}, false, false},
		"a bucket with an unknown parameter": {storage.Config{URL: bucket + "&anonymous=true", KeyID: "k", SecretKey: "s"}, false, false},
		"another store":                      {storage.Config{URL: "s3://files?endpoint=https://minio.example.com", KeyID: "k", SecretKey: "s"}, true, true},
		"another store in the open":          {storage.Config{URL: "s3://files?endpoint=http://minio.example.com", KeyID: "k", SecretKey: "s"}, true, false},
		"another store on this machine":      {storage.Config{URL: "s3://files?endpoint=http://127.0.0.1:9000", KeyID: "k", SecretKey: "s"}, true, true},
		"an endpoint that is none":           {storage.Config{URL: "s3://files?endpoint=minio", KeyID: "k", SecretKey: "s"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := tt.cfg.Validate()
			require.Equal(t, tt.good, len(faults) == 0, "%v", faults)
			require.Equal(t, tt.production, len(append(faults, tt.cfg.ValidateProduction()...)) == 0)
		})
	}
}

func TestAStoreThatIsDownSaysSoInWordsThatShowNothing(t *testing.T) {
	t.Parallel()
	b := storagetest.New(t)
	files := open(t, b.Config())
	_, err := files.Put(t.Context(), "reports/a", strings.NewReader("a"), 1)
	require.NoError(t, err)
	file, err := files.Open(t.Context(), "reports/a")
	require.NoError(t, err)
	b.Fail(storagetest.Down(http.StatusServiceUnavailable))
	_, err = files.Put(t.Context(), "reports/b", strings.NewReader("b"), 1)
	require.EqualError(t, err, "write file: the object store answered 503 ServiceUnavailable")
	_, err = files.Open(t.Context(), "reports/a")
	require.ErrorContains(t, err, "open file: the object store answered 503")
	require.NotErrorIs(t, err, storage.ErrNotFound)
	_, err = file.ReadAt(make([]byte, 1), 0)
	require.ErrorContains(t, err, "read file: the object store answered 503")
	require.ErrorContains(t, files.Delete(t.Context(), "reports/a"), "delete file: the object store answered 503")
	_, err = files.DeleteBefore(t.Context(), "reports", time.Now())
	require.ErrorContains(t, err, "list files: the object store answered 503")
	b.Fail(storagetest.Down(http.StatusForbidden))
	_, err = files.Put(t.Context(), "reports/b", strings.NewReader("b"), 1)
	require.ErrorContains(t, err, "write file: the object store answered 403")

	b.Fail(nil)
	require.Equal(t, []string{"reports/a"}, b.Keys(t))
	_, err = files.Put(t.Context(), "reports/b", strings.NewReader("b"), 1)
	require.NoError(t, err)

	nobody := open(t, storage.Config{URL: "s3://files?endpoint=http://127.0.0.1:1", KeyID: "k", SecretKey: "s"})
	_, err = nobody.Put(t.Context(), "reports/b", strings.NewReader("b"), 1)
	require.EqualError(t, err, "write file: the object store does not answer: connection refused")
}

func TestOneRequestThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := storagetest.New(t)
	files := open(t, b.Config())
	var mu sync.Mutex
	failed := map[string]bool{}
	b.Fail(func(r *http.Request) int { // each once
		mu.Lock()
		defer mu.Unlock()
		if which := r.Method + " " + r.URL.String(); !failed[which] {
			failed[which] = true
			return http.StatusServiceUnavailable
		}
		return 0
	})
	want := noise(3, 12<<20)
	_, err := files.Put(t.Context(), "reports/a", bytes.NewReader(want), 1<<30)
	require.NoError(t, err)
	file, err := files.Open(t.Context(), "reports/a")
	require.NoError(t, err)
	defer file.Close()
	got, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

// A store that takes no more parts is asked to give up those it has; when it does not even do that, they go with the old files.
func TestPartsThatCouldNotBeTakenBackAreSwept(t *testing.T) {
	t.Parallel()
	b := storagetest.New(t)
	files := open(t, b.Config())
	b.Fail(func(r *http.Request) int {
		if r.Method == http.MethodDelete || r.URL.Query().Get("partNumber") == "3" {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	_, err := files.Put(t.Context(), "reports/a", bytes.NewReader(make([]byte, 12<<20)), 1<<30)
	require.ErrorContains(t, err, "the object store answered 503")
	b.Fail(nil)
	require.Empty(t, b.Keys(t))
	n, err := files.DeleteBefore(t.Context(), "reports", b.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "it is not old")
	n, err = files.DeleteBefore(t.Context(), "imports", b.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "it is another purpose's")
	n, err = files.DeleteBefore(t.Context(), "reports", b.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	n, err = files.DeleteBefore(t.Context(), "reports", b.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)
}

// Memory does not grow with the file, because a part has a size and few are on their way together.
func TestFewPartsOfAFileAreOnTheirWayTogether(t *testing.T) {
	t.Parallel()
	b := storagetest.New(t)
	files := open(t, b.Config())
	var mu sync.Mutex
	parts, together, most, largest := 0, 0, 0, int64(0)
	second := make(chan struct{}) // closed when a second part is on its way
	b.Fail(func(r *http.Request) int {
		if r.URL.Query().Get("partNumber") == "" {
			return 0
		}
		mu.Lock()
		parts++
		together++
		most, largest = max(most, together), max(largest, r.ContentLength)
		if parts == 2 {
			close(second)
		}
		mu.Unlock()
		select { // the first waits for its neighbour, so that there is one
		case <-second:
		case <-r.Context().Done():
		}
		mu.Lock()
		together--
		mu.Unlock()
		return 0
	})
	read := 0
	_, err := files.Put(t.Context(), "reports/a", io.TeeReader(io.LimitReader(zeros{}, 60<<20), counting{func(n int) {
		mu.Lock()
		defer mu.Unlock()
		read += n
		if ahead := read - parts*5<<20; ahead > 4*5<<20 {
			t.Errorf("%d bytes wait in memory", ahead)
		}
	}}), 1<<30)
	require.NoError(t, err)
	require.Equal(t, 12, parts)
	require.Equal(t, 2, most)
	require.EqualValues(t, 5<<20, largest)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counting struct{ tell func(n int) }

func (c counting) Write(b []byte) (int, error) { c.tell(len(b)); return len(b), nil }
