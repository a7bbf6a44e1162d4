// Command gogit does what Argo CD and Flux do to a Git server: it lists, clones, fetches and pushes through go-git, which speaks protocol
// version 0 only. It prints one JSON document; where something fails, the document holds the error and the exit status is 1.
//
// Never: git's own program, or anything that those two do not do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	stdhttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// What Argo CD gives a whole request.
const requestTimeout = 15 * time.Second

// What Flux gives a whole operation.
const operationTimeout = 60 * time.Second

type answer struct {
	// The name of each ref that was listed, and the object it holds; a symbolic ref holds the name of its target.
	Refs map[string]string `json:"refs,omitempty"`
	// The commit that was cloned, fetched or pushed.
	Commit string `json:"commit,omitempty"`
	// How many commits are reachable from it.
	Commits int `json:"commits,omitempty"`
	// The files of its tree, and the ids of their contents.
	Files map[string]string `json:"files,omitempty"`
	// The tags that came with it.
	Tags []string `json:"tags,omitempty"`
	// HTTP requests that were made.
	Requests int64 `json:"requests"`
	// What went wrong.
	Error string `json:"error,omitempty"`
}

var requests atomic.Int64

type counting struct{ next stdhttp.RoundTripper }

func (c counting) RoundTrip(request *stdhttp.Request) (*stdhttp.Response, error) {
	requests.Add(1)
	if request.Header.Get("Git-Protocol") != "" {
		return nil, errors.New("go-git asked for a protocol version, which version 5 never does")
	}
	return c.next.RoundTrip(request)
}

type options struct {
	url    string
	folder string
	branch string
	ref    string
	commit string
	token  string
	tags   bool
	file   string
	text   string
	force  bool
}

func main() {
	var asked options
	flags := flag.NewFlagSet("gogit", flag.ExitOnError)
	flags.StringVar(&asked.url, "url", "", "the repository")
	flags.StringVar(&asked.folder, "folder", "", "where to clone to")
	flags.StringVar(&asked.branch, "branch", "", "the branch")
	flags.StringVar(&asked.ref, "ref", "", "the whole name of a ref")
	flags.StringVar(&asked.commit, "commit", "", "the exact commit")
	flags.StringVar(&asked.token, "token", "", "the file that holds the token")
	flags.BoolVar(&asked.tags, "tags", false, "with all tags")
	flags.StringVar(&asked.file, "file", "", "the file to write before a push")
	flags.StringVar(&asked.text, "text", "", "its content")
	flags.BoolVar(&asked.force, "force", false, "push whatever is there")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: gogit list|clone|clone-commit|fetch-commit|push …")
		os.Exit(2)
	}
	// A flag set that exits on errors returns none.
	_ = flags.Parse(os.Args[2:])

	// As Argo CD builds its client: a bound on the whole request, and no redirect is followed.
	own := &stdhttp.Client{
		Transport:     counting{stdhttp.DefaultTransport},
		Timeout:       requestTimeout,
		CheckRedirect: func(*stdhttp.Request, []*stdhttp.Request) error { return stdhttp.ErrUseLastResponse },
	}
	client.InstallProtocol("http", http.NewClient(own))
	client.InstallProtocol("https", http.NewClient(own))

	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	verbs := map[string]func(context.Context, options) (answer, error){
		"list":         list,
		"clone":        clone,
		"clone-commit": cloneCommit,
		"fetch-commit": fetchCommit,
		"push":         push,
	}
	verb, known := verbs[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "no such verb:", os.Args[1])
		os.Exit(2)
	}
	told, err := verb(ctx, asked)
	told.Requests = requests.Load()
	if err != nil {
		told.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(told)
	if err != nil {
		os.Exit(1)
	}
}

func (asked options) auth() (transport.AuthMethod, error) {
	if asked.token == "" {
		return nil, nil
	}
	token, err := os.ReadFile(asked.token)
	if err != nil {
		return nil, err
	}
	return &http.BasicAuth{Username: "git", Password: strings.TrimSpace(string(token))}, nil
}

// Lists the refs, as Argo CD resolves a revision and Flux looks for news.
func list(ctx context.Context, asked options) (answer, error) {
	auth, err := asked.auth()
	if err != nil {
		return answer{}, err
	}
	remote := git.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "origin", URLs: []string{asked.url}})
	refs, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth})
	told := answer{Refs: map[string]string{}}
	for _, ref := range refs {
		if ref.Type() == plumbing.SymbolicReference {
			told.Refs[ref.Name().String()] = ref.Target().String()
		} else {
			told.Refs[ref.Name().String()] = ref.Hash().String()
		}
	}
	return told, err
}

// Clones a branch with depth 1 and no tags, or with all of them: Flux for `ref.branch`, and for `ref.semver`.
func clone(ctx context.Context, asked options) (answer, error) {
	auth, err := asked.auth()
	if err != nil {
		return answer{}, err
	}
	tags := git.NoTags
	if asked.tags {
		tags = git.AllTags
	}
	repository, err := git.PlainCloneContext(ctx, asked.folder, false, &git.CloneOptions{
		URL:           asked.url,
		Auth:          auth,
		RemoteName:    "origin",
		ReferenceName: plumbing.NewBranchReferenceName(asked.branch),
		SingleBranch:  true,
		Depth:         1,
		Tags:          tags,
	})
	if err != nil {
		return answer{}, err
	}
	head, err := repository.Head()
	if err != nil {
		return answer{}, err
	}
	return describe(repository, head.Hash())
}

// Clones everything, or all of one branch, and checks a commit out: Flux for `ref.commit`.
func cloneCommit(ctx context.Context, asked options) (answer, error) {
	auth, err := asked.auth()
	if err != nil {
		return answer{}, err
	}
	wanted := &git.CloneOptions{URL: asked.url, Auth: auth, RemoteName: "origin", NoCheckout: true, Tags: git.NoTags}
	if asked.branch != "" {
		wanted.SingleBranch = true
		wanted.ReferenceName = plumbing.NewBranchReferenceName(asked.branch)
	}
	repository, err := git.PlainCloneContext(ctx, asked.folder, false, wanted)
	if err != nil {
		return answer{}, err
	}
	return checkOut(repository, plumbing.NewHash(asked.commit))
}

// Fetches exactly one commit, which a server has to allow for version 0.
func fetchCommit(ctx context.Context, asked options) (answer, error) {
	auth, err := asked.auth()
	if err != nil {
		return answer{}, err
	}
	repository, err := git.PlainInit(asked.folder, false)
	if err != nil {
		return answer{}, err
	}
	_, err = repository.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{asked.url}})
	if err != nil {
		return answer{}, err
	}
	source := asked.commit
	if asked.ref != "" {
		source = asked.ref
	}
	err = repository.FetchContext(ctx, &git.FetchOptions{
		RemoteName: "origin",
		Auth:       auth,
		Depth:      1,
		Tags:       git.NoTags,
		RefSpecs:   []config.RefSpec{config.RefSpec(source + ":refs/heads/fetched")},
	})
	if err != nil {
		return answer{}, err
	}
	fetched, err := repository.Reference("refs/heads/fetched", true)
	if err != nil {
		return answer{}, err
	}
	return checkOut(repository, fetched.Hash())
}

// Commits a file on top of a branch and pushes it, as Flux's image automation does.
func push(ctx context.Context, asked options) (answer, error) {
	auth, err := asked.auth()
	if err != nil {
		return answer{}, err
	}
	branch := plumbing.NewBranchReferenceName(asked.branch)
	repository, err := git.PlainCloneContext(ctx, asked.folder, false, &git.CloneOptions{
		URL: asked.url, Auth: auth, RemoteName: "origin", ReferenceName: branch, SingleBranch: true, Tags: git.NoTags,
	})
	if err != nil {
		return answer{}, fmt.Errorf("clone: %w", err)
	}
	tree, err := repository.Worktree()
	if err != nil {
		return answer{}, err
	}
	if err := os.WriteFile(filepath.Join(asked.folder, asked.file), []byte(asked.text), 0o600); err != nil {
		return answer{}, err
	}
	if _, err := tree.Add(asked.file); err != nil {
		return answer{}, err
	}
	who := &object.Signature{Name: "Ada Rig", Email: "ada@example.invalid", When: time.Unix(1_700_000_000, 0)}
	made, err := tree.Commit("A commit of go-git", &git.CommitOptions{Author: who})
	if err != nil {
		return answer{}, err
	}
	target := branch.String()
	if asked.ref != "" {
		target = asked.ref
	}
	err = repository.PushContext(ctx, &git.PushOptions{
		RemoteName: "origin",
		Auth:       auth,
		Force:      asked.force,
		RefSpecs:   []config.RefSpec{config.RefSpec(branch.String() + ":" + target)},
	})
	return answer{Commit: made.String()}, err
}

func checkOut(repository *git.Repository, commit plumbing.Hash) (answer, error) {
	tree, err := repository.Worktree()
	if err != nil {
		return answer{}, err
	}
	if err := tree.Checkout(&git.CheckoutOptions{Hash: commit, Force: true}); err != nil {
		return answer{}, err
	}
	return describe(repository, commit)
}

// Reads back what came: every commit as far as the history goes, every file, every tag.
func describe(repository *git.Repository, at plumbing.Hash) (answer, error) {
	told := answer{Commit: at.String(), Files: map[string]string{}}
	commit, err := repository.CommitObject(at)
	if err != nil {
		return told, err
	}
	waiting, seen := []*object.Commit{commit}, map[plumbing.Hash]bool{at: true}
	shallow, err := repository.Storer.Shallow()
	if err != nil {
		return told, err
	}
	ends := map[plumbing.Hash]bool{}
	for _, hash := range shallow {
		ends[hash] = true
	}
	for len(waiting) > 0 {
		next := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		told.Commits++
		if ends[next.Hash] {
			continue
		}
		for _, parent := range next.ParentHashes {
			if seen[parent] {
				continue
			}
			seen[parent] = true
			older, err := repository.CommitObject(parent)
			if err != nil {
				return told, fmt.Errorf("parent %s of %s: %w", parent, next.Hash, err)
			}
			waiting = append(waiting, older)
		}
	}
	files, err := commit.Files()
	if err != nil {
		return told, err
	}
	err = files.ForEach(func(file *object.File) error {
		// The bytes are read, so that their sum is checked.
		reader, err := file.Reader()
		if err != nil {
			return err
		}
		defer reader.Close()
		content, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if plumbing.ComputeHash(plumbing.BlobObject, content) != file.Hash {
			return fmt.Errorf("%s: the bytes are not those of %s", file.Name, file.Hash)
		}
		told.Files[file.Name] = file.Hash.String()
		return nil
	})
	if err != nil {
		return told, err
	}
	tags, err := repository.Tags()
	if err != nil {
		return told, err
	}
	err = tags.ForEach(func(tag *plumbing.Reference) error {
		told.Tags = append(told.Tags, tag.Name().Short())
		return nil
	})
	return told, err
}
