package load
import ("testing";"time";"fmt";"makola/test/stack")
func TestZZ(t *testing.T) {
	const n = 300
	s := stack.New(t)
	admin := s.DB.Admin()
	sell(t, admin, n)
	mails := s.Start("mail-viewer")
	ps := []*stack.Process{mails}
	for _, name := range []string{"inventory-worker", "reports-worker"} { ps = append(ps, s.Start(name)) }
	stack.Ready(t, ps...)
	busy(t, s, n)
	began := time.Now()
	tick := time.NewTicker(2*time.Second)
	for i := 0; i < 40; i++ {
		<-tick.C
		rows, err := admin.Query(t.Context(), "select name, state, count(*), coalesce(max(resends),0), max(attempt), coalesce((extract(epoch from max(finished_at)-min(created_at))*1000)::int,0), coalesce(min(error),'') from task.task group by 1,2 order by 1,2")
		if err != nil { t.Fatal(err) }
		left := false
		out := ""
		for rows.Next() { var a,b,e string; var c,d,at,f int; rows.Scan(&a,&b,&c,&d,&at,&f,&e); out += fmt.Sprintf("   %s %s %d resends=%d attempt=%d ms=%d %s\n",a,b,c,d,at,f,e); if b != "succeeded" { left = true } }
		t.Logf("%v\n%s", time.Since(began), out)
		if !left { break }
	}
	for _, p := range ps { t.Log(p.Name, p.CPU()) }
}
