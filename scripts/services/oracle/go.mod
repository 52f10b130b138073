// What scripts/services/build-go builds from main.go: the names and platforms of others, to compare ours with.
// Another version: go get MODULE@VERSION && go mod tidy
module varve.invalid/oracle

go 1.25.0

require (
	github.com/containerd/platforms v1.0.0-rc.5
	github.com/distribution/reference v0.6.0
)

require (
	github.com/containerd/log v0.1.0 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.0 // indirect
	github.com/sirupsen/logrus v1.9.3 // indirect
	golang.org/x/sys v0.26.0 // indirect
)
