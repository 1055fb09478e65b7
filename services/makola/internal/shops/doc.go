// Package shops invents shops: people, goods, and a year of trade that adds up.
//
// # What it makes
//
// Three shops that a person would recognise: a provision store that sells on credit, a pharmacy whose batches expire, and an electronics shop with two branches that one
// warehouse fills. A larger scale adds shops like them, of all sizes, until there is something to measure.
//
// # How
//
// Every shop is lived through day by day: deliveries arrive, transfers fill the shelves, customers come by the hours of the day, the days of the week, paydays and
// Christmas, take the best sellers most often, pay at once or later, bring goods back; the keeper counts, writes off and orders again. Stock leaves first expired, first
// out, each line of a sale knows the cost of exactly what it took, and nothing is sold that is not there. What remains on the shelves at the end is what the books say.
//
//	Plan ──Shop(i)──▶ Shop ──Live──▶ Books ──Write──▶ one transaction, by COPY
//
// Live touches no database and no clock. The same seed, end and shop give the same rows, down to their ids: those are UUIDv7 whose time is the row's own and whose random
// part comes from the seed. People and businesses have ids that do not depend on the end, so a shop that was written once is known again whenever the command is repeated.
//
// The books of one shop are held in memory, so the memory in use depends on the largest shop and not on how many there are.
package shops
