// net/http in 200 goroutines, each with a connection of its own and its client's timeout.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

const many = 200

type result struct {
	status int
	err    error
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	results := make(chan result)
	started := time.Now()
	for range many {
		go func() {
			client := http.Client{
				Timeout:   time.Duration(seconds * float64(time.Second)),
				Transport: &http.Transport{DisableKeepAlives: true},
			}
			answer, err := client.Get(os.Args[1])
			if err != nil {
				results <- result{err: err}
				return
			}
			answer.Body.Close()
			results <- result{status: answer.StatusCode}
		}()
	}
	statuses := map[int]int{}
	var failure error
	for range many {
		next := <-results
		statuses[next.status]++
		if next.err != nil {
			failure = next.err
		}
	}
	switch {
	case len(statuses) > 1:
		fmt.Println("not alike", statuses, failure)
	case failure != nil:
		fmt.Println("failed", time.Since(started).Milliseconds(), failure)
	default:
		for status := range statuses {
			fmt.Println(status)
		}
	}
}
