// Command known is an HTTP/1.1 server whose response times are known beforehand: what a load tool says of it can be
// compared with the truth.
//
//	known -shape fixed:5ms | lognormal:5ms:0.5 | 2ms*0.97+1.05s*0.027+1.9s*0.003 [-freeze-at 3s -freeze-for 1.4s]
//
// The n-th request takes the quantile frac(n * golden ratio) of the shape: any stretch of requests has the shape's
// quantiles, so that a sampling error does not hide an error of measurement. A freeze begins `-freeze-at` after the first
// request; whatever comes during it is served when it ends. Every wait is a timerfd in Go's poller: Go's own timers are
// up to a millisecond late, and a sleeping thread would keep others from running. Linux only. The address is the first line of standard output; on SIGTERM (or when standard
// input ends) the last line is what the server itself measured, in seconds, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const golden = 0.6180339887498949

type quantile func(u float64) time.Duration

func parse(shape string) (quantile, error) {
	switch parts := strings.Split(shape, ":"); parts[0] {
	case "fixed":
		wait, err := time.ParseDuration(parts[1])
		return func(float64) time.Duration { return wait }, err
	case "lognormal":
		median, err := time.ParseDuration(parts[1])
		if err != nil {
			return nil, err
		}
		sigma, err := strconv.ParseFloat(parts[2], 64)
		return func(u float64) time.Duration {
			return time.Duration(float64(median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*u-1)))
		}, err
	}
	return mixture(shape)
}

func mixture(shape string) (quantile, error) {
	var waits []time.Duration
	var upTo []float64
	share := 0.0
	for _, part := range strings.Split(shape, "+") {
		wait, weight, found := strings.Cut(part, "*")
		if !found {
			return nil, fmt.Errorf("%q is not TIME*SHARE", part)
		}
		duration, err := time.ParseDuration(wait)
		if err != nil {
			return nil, err
		}
		number, err := strconv.ParseFloat(weight, 64)
		if err != nil {
			return nil, err
		}
		share += number
		waits, upTo = append(waits, duration), append(upTo, share)
	}
	return func(u float64) time.Duration {
		return waits[min(sort.SearchFloat64s(upTo, u), len(waits)-1)]
	}, nil
}

// timers are those that nobody waits for now.
var timers = sync.Pool{New: func() any {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		log.Fatal(errno)
	}
	return os.NewFile(fd, "timerfd")
}}

const clockMonotonic = 1

func sleep(rest time.Duration) {
	if rest <= 0 {
		return
	}
	timer := timers.Get().(*os.File)
	defer timers.Put(timer)
	setting := [2]syscall.Timespec{{}, syscall.NsecToTimespec(int64(rest))}
	raw, err := timer.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0)
		})
	}
	if err == nil {
		_, err = timer.Read(make([]byte, 8))
	}
	if err != nil {
		log.Fatal(err)
	}
}

type server struct {
	shape     quantile
	number    atomic.Uint64
	once      sync.Once
	first     time.Time
	freezeAt  time.Duration
	freezeFor time.Duration
	mutex     sync.Mutex
	took      []float64
}

func (s *server) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/nonce" {
		_, _ = io.WriteString(writer, request.URL.RawQuery)
		return
	}
	began := time.Now()
	s.once.Do(func() { s.first = began })
	end := began
	if start := s.first.Add(s.freezeAt); s.freezeFor > 0 && began.After(start) && began.Before(start.Add(s.freezeFor)) {
		end = start.Add(s.freezeFor)
	}
	_, u := math.Modf(float64(s.number.Add(1)) * golden)
	sleep(time.Until(end.Add(s.shape(u))))
	_, _ = io.WriteString(writer, "ok\n")
	s.mutex.Lock()
	s.took = append(s.took, time.Since(began).Seconds())
	s.mutex.Unlock()
}

func (s *server) summary() map[string]float64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	sort.Float64s(s.took)
	said := map[string]float64{"requests": float64(len(s.took))}
	if len(s.took) == 0 {
		return said
	}
	for name, p := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1} {
		said[name] = s.took[max(0, int(math.Ceil(p*float64(len(s.took))))-1)]
	}
	return said
}

func main() {
	shape := flag.String("shape", "fixed:2ms", "how long a request takes")
	freezeAt := flag.Duration("freeze-at", 0, "when, after the first request, everything stops")
	freezeFor := flag.Duration("freeze-for", 0, "for how long")
	flag.Parse()
	takes, err := parse(*shape)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	answering := &server{shape: takes, freezeAt: *freezeAt, freezeFor: *freezeFor}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() { // whoever started it is gone: so is it
		_, _ = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
		ended <- syscall.SIGTERM
	}()
	go func() { log.Fatal(http.Serve(listener, answering)) }()
	fmt.Println(listener.Addr().String())
	<-ended
	_ = json.NewEncoder(os.Stdout).Encode(answering.summary())
}
