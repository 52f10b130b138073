// Answers, one line of JSON for each line of JSON, what distribution/reference and containerd/platforms make of names
// and platforms, so that a test can compare what varve makes of them.
package main

import (
	// Registered, as programs that use the two packages have them.
	"bufio"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
)

type request struct {
	Reference  *string              `json:"reference"`
	Any        *string              `json:"any"`
	Platform   *string              `json:"platform"`
	Wanted     *platforms.Platform  `json:"wanted"`
	Candidates []platforms.Platform `json:"candidates"`
	Strict     bool                 `json:"strict"`
}

type answer struct {
	Error    string              `json:"error,omitempty"`
	Domain   string              `json:"domain,omitempty"`
	Path     string              `json:"path,omitempty"`
	Tag      string              `json:"tag,omitempty"`
	Digest   string              `json:"digest,omitempty"`
	Full     string              `json:"full,omitempty"`
	Familiar string              `json:"familiar,omitempty"`
	Name     string              `json:"name,omitempty"`
	Docker   string              `json:"docker,omitempty"`
	Platform *platforms.Platform `json:"platform,omitempty"`
	Matches  []bool              `json:"matches,omitempty"`
	Order    []int               `json:"order,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(answerTo(asked)); err != nil {
			os.Exit(1)
		}
	}
	if lines.Err() != nil {
		fmt.Fprintln(os.Stderr, lines.Err())
		os.Exit(1)
	}
}

func answerTo(asked request) answer {
	switch {
	case asked.Reference != nil:
		return named(*asked.Reference)
	case asked.Any != nil:
		found, err := reference.ParseAnyReference(*asked.Any)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Full: found.String()}
	case asked.Platform != nil:
		found, err := platforms.Parse(*asked.Platform)
		if err != nil {
			return answer{Error: err.Error()}
		}
		normal := platforms.Normalize(found)
		return answer{Platform: &normal, Full: platforms.FormatAll(normal)}
	default:
		return matches(*asked.Wanted, asked.Candidates, asked.Strict)
	}
}

func named(text string) answer {
	found, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	result := answer{
		Domain:   reference.Domain(found),
		Path:     reference.Path(found),
		Full:     found.String(),
		Familiar: reference.FamiliarString(found),
		Name:     reference.FamiliarName(found),
	}
	if tagged, ok := found.(reference.Tagged); ok {
		result.Tag = tagged.Tag()
	}
	if digested, ok := found.(reference.Digested); ok {
		result.Digest = digested.Digest().String()
	}
	if docker, err := reference.ParseDockerRef(text); err == nil {
		result.Docker = docker.String()
	}
	return result
}

func matches(wanted platforms.Platform, candidates []platforms.Platform, strict bool) answer {
	comparer := platforms.Only(wanted)
	if strict {
		comparer = platforms.OnlyStrict(wanted)
	}
	result := answer{}
	for index, candidate := range candidates {
		match := comparer.Match(candidate)
		result.Matches = append(result.Matches, match)
		if match {
			result.Order = append(result.Order, index)
		}
	}
	sort.SliceStable(result.Order, func(i, j int) bool {
		return comparer.Less(candidates[result.Order[i]], candidates[result.Order[j]])
	})
	return result
}
