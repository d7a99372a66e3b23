package powercut

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// sector is what a disk writes whole.
const sector = 512

// A disk is a directory of files that knows of each what is durable and what was
// only written. Its faults are set before it is mounted.
type disk struct {
	lies     bool // fsync does nothing and says that it did
	failSync int  // the n-th fsync fails once and loses what it should have kept, as Linux does (fsyncgate)
	fullAt   int  // from the n-th write on there is no space

	mu     sync.Mutex
	files  map[string]*file
	off    bool // the power is cut
	syncs  int
	writes int
	met    bool // a sync failed, or there was no space
}

// A file is its bytes as the program sees them, and as they are on the platter
// with what is on its way there.
type file struct {
	live, durable []byte
	pending       []change
	named         bool // its entry in the directory is durable
}

// A change is a write, or a new length.
type change struct {
	at   int64
	data []byte // nil: the length becomes at
}

func newDisk(files map[string][]byte) *disk {
	d := &disk{files: map[string]*file{}}
	for name, b := range files {
		d.files[name] = &file{live: bytes.Clone(b), durable: bytes.Clone(b), named: true}
	}
	return d
}

func apply(b []byte, c change) []byte {
	end := c.at + int64(len(c.data))
	if int64(len(b)) < end {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	if c.data == nil {
		return b[:c.at]
	}
	copy(b[c.at:], c.data)
	return b
}

// How much of what was not synced survives a cut.
const (
	nothing = iota // none of it
	some           // any writes, in any order
	torn           // any sectors of any writes
	modes
)

// cut takes the power away and returns what is on the platter.
func (d *disk) cut(rng *rand.Rand, mode int) map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	left := map[string][]byte{}
	for name, f := range d.files {
		if !f.named && (mode == nothing || rng.IntN(2) == 0) {
			continue
		}
		b := bytes.Clone(f.durable)
		for _, c := range f.pending {
			switch {
			case mode == nothing:
			case mode == torn && c.data != nil:
				for i := 0; i < len(c.data); i += sector {
					if rng.IntN(2) == 0 {
						b = apply(b, change{c.at + int64(i), c.data[i:min(i+sector, len(c.data))]})
					}
				}
			case rng.IntN(2) == 0:
				b = apply(b, c)
			}
		}
		left[name] = b
	}
	return left
}

// sync makes f durable, or not.
func (d *disk) sync(f *file) syscall.Errno {
	if d.off {
		return syscall.EIO
	}
	d.syncs++
	switch {
	case d.lies:
		return 0
	case d.syncs == d.failSync:
		d.met = true
		f.pending = nil // the pages count as clean and are gone from the platter's view
		return syscall.EIO
	}
	f.durable, f.pending, f.named = bytes.Clone(f.live), nil, true
	return 0
}

// write takes c. Space that is there already may be written again.
func (d *disk) write(f *file, c change) syscall.Errno {
	if d.off {
		return syscall.EIO
	}
	d.writes++
	if d.fullAt > 0 && d.writes >= d.fullAt && c.at+int64(len(c.data)) > int64(len(f.live)) {
		d.met = true
		return syscall.ENOSPC
	}
	f.live = apply(f.live, c)
	f.pending = append(f.pending, c)
	return 0
}

// A root is the directory.
type root struct {
	fs.Inode
	disk *disk
}

var (
	_ fs.NodeCreater   = (*root)(nil)
	_ fs.NodeUnlinker  = (*root)(nil)
	_ fs.NodeFsyncer   = (*root)(nil)
	_ fs.NodeOnAdder   = (*root)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
)

func (r *root) OnAdd(ctx context.Context) {
	for name, f := range r.disk.files {
		r.AddChild(name, r.NewPersistentInode(ctx, &node{disk: r.disk, file: f}, fs.StableAttr{Mode: fuse.S_IFREG}), true)
	}
}

func (r *root) Create(ctx context.Context, name string, _ uint32, _ uint32, _ *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	if r.disk.off {
		return nil, nil, 0, syscall.EIO
	}
	f := &file{}
	r.disk.files[name] = f
	child := r.NewPersistentInode(ctx, &node{disk: r.disk, file: f}, fs.StableAttr{Mode: fuse.S_IFREG})
	r.AddChild(name, child, true)
	return child, nil, 0, 0
}

func (r *root) Unlink(_ context.Context, name string) syscall.Errno {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	if r.disk.off {
		return syscall.EIO
	}
	delete(r.disk.files, name)
	return 0
}

// Fsync makes the names durable.
func (r *root) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	for _, f := range r.disk.files {
		f.named = f.named || !r.disk.lies
	}
	return 0
}

// A node is one file as the kernel sees it.
type node struct {
	fs.Inode
	disk *disk
	file *file
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if off >= int64(len(n.file.live)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(bytes.Clone(n.file.live[off:min(off+int64(len(dest)), int64(len(n.file.live)))])), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.write(n.file, change{off, append([]byte{}, data...)}); errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return n.disk.sync(n.file)
}

func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	if size, ok := in.GetSize(); ok {
		if errno := n.disk.write(n.file, change{at: int64(size)}); errno != 0 {
			n.disk.mu.Unlock()
			return errno
		}
	}
	n.disk.mu.Unlock()
	return n.Getattr(ctx, h, out)
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	out.Mode, out.Size, out.Nlink = fuse.S_IFREG|0o600, uint64(len(n.file.live)), 1
	return 0
}
