// Command mysql-engine is Dolt's MySQL engine, with its databases in memory: it runs the statements of a file as root,
// one a line, then prints the port of 127.0.0.1 on which it listens.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/mysql_db"
)

func main() {
	setup := flag.String("setup", "", "the file with the statements")
	certificate := flag.String("certificate", "", "the file with the certificate")
	key := flag.String("key", "", "the file with its key")
	clientCa := flag.String("client-ca", "", "the file with the CA of client certificates, one of which is asked for then")
	secure := flag.Bool("secure", false, "takes TLS alone")
	flag.Parse()
	if err := serve(*setup, *certificate, *key, *clientCa, *secure); err != nil {
		log.Fatal(err)
	}
}

func serve(setup, certificate, key, clientCa string, secure bool) error {
	provider := memory.NewDBProvider()
	engine := sqle.NewDefault(provider)
	accounts := engine.Analyzer.Catalog.MySQLDb
	accounts.SetPersister(&mysql_db.NoopPersister{})
	accounts.AddRootAccount()
	if err := run(engine, provider, setup); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	settings := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clientCa != "" {
		pem, err := os.ReadFile(clientCa)
		if err != nil {
			return err
		}
		settings.ClientCAs = x509.NewCertPool()
		settings.ClientCAs.AppendCertsFromPEM(pem)
		settings.ClientAuth = tls.RequireAndVerifyClientCert
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mysql, err := server.NewServer(server.Config{
		Protocol:               "tcp",
		Listener:               listener,
		TLSConfig:              settings,
		RequireSecureTransport: secure,
	}, engine, sql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return mysql.Start()
}

// run executes the statements of the file as root.
func run(engine *sqle.Engine, provider *memory.DbProvider, setup string) error {
	file, err := os.Open(setup)
	if err != nil {
		return err
	}
	defer file.Close()
	base := sql.NewBaseSessionWithClientServer("localhost", sql.Client{User: "root", Address: "localhost"}, 1)
	ctx := sql.NewContext(context.Background(), sql.WithSession(memory.NewSession(base, provider)))
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		statement := strings.TrimSpace(lines.Text())
		if statement == "" {
			continue
		}
		_, rows, _, err := engine.Query(ctx, statement)
		if err == nil {
			_, err = sql.RowIterToRows(ctx, rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return lines.Err()
}
