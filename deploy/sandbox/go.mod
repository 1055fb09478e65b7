module makola/deploy/sandbox

go 1.26.0

require (
	github.com/caarlos0/env/v11 v11.4.2
	makola/pkg v0.0.0
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	github.com/failsafe-go/failsafe-go v0.9.8 // indirect
	github.com/shopspring/decimal v1.6.0 // indirect
)

replace (
	makola/pkg => ../../pkg
	makola/proto => ../../proto
)
