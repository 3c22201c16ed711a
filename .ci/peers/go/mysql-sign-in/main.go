// Command mysql-sign-in is go-mysql's server: it signs one user in by the ways that MySQL has, over TLS or by the
// server's RSA key, and answers OK to every statement. It prints the port of 127.0.0.1 on which it listens.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"net"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/server"
)

// users knows one user; unlike the library's own it has passwords cached only after a first full sign-in, as MySQL does.
type users struct{ name, password string }

func (u users) CheckUsername(name string) (bool, error) { return name == u.name, nil }

func (u users) GetCredential(name string) (string, bool, error) {
	return u.password, name == u.name, nil
}

// statements answers OK to what a handler has to answer at all.
type statements struct{ server.EmptyHandler }

func (statements) UseDB(string) error { return nil }

func (statements) HandleQuery(query string) (*mysql.Result, error) {
	resultset, err := mysql.BuildSimpleTextResultset([]string{"1"}, [][]any{{int64(1)}})
	if err != nil {
		return nil, err
	}
	return mysql.NewResult(resultset), nil
}

func main() {
	method := flag.String("method", mysql.AUTH_CACHING_SHA2_PASSWORD, "the plugin that signs in")
	name := flag.String("user", "", "the user")
	password := flag.String("password", "", "the user's password")
	certificate := flag.String("certificate", "", "the file with an RSA certificate")
	key := flag.String("key", "", "the file with its key")
	plain := flag.Bool("plain", false, "offers no TLS")
	flag.Parse()
	if err := serve(*method, users{*name, *password}, *certificate, *key, *plain); err != nil {
		log.Fatal(err)
	}
}

func serve(method string, known users, certificate, key string, plain bool) error {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return err
	}
	publicKey, err := x509.MarshalPKIXPublicKey(leaf.PublicKey)
	if err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicKey})
	settings := server.NewServer("8.0.36", mysql.DEFAULT_COLLATION_ID, method, encoded,
		&tls.Config{Certificates: []tls.Certificate{pair}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		socket, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer socket.Close()
			connection, err := server.NewCustomizedConn(socket, settings, known, statements{})
			for err == nil && !connection.Closed() {
				err = connection.HandleCommand()
			}
			if err != nil {
				log.Print(err)
			}
		}()
	}
}
