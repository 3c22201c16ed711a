/** What makes the demo's shop, with a password of letters, digits and dashes for both of its roles. */
export function shopSql(password: string): readonly string[] {
  return [
    `create role shop login password '${password}'`,
    `create role reader login password '${password}'`,
    'grant create on schema public to shop',
    'set role shop',
    `create table customers (id int primary key, name text not null, email text not null unique, since date not null)`,
    `create table products (id int primary key, title text not null, price numeric(8, 2) not null)`,
    `create table orders (
      id int primary key, customer_id int not null references customers, product_id int not null references products,
      quantity int not null check (quantity > 0), ordered_at timestamptz not null)`,
    `insert into customers
      select n, 'Customer ' || n, 'customer' || n || '@shop.example', date '2026-01-01' + n from generate_series(1, 100) n`,
    `insert into products select n, 'Product ' || n, 1.5 * n from generate_series(1, 20) n`,
    `insert into orders
      select n, 1 + n % 100, 1 + n % 20, 1 + n % 3, timestamptz '2026-06-01' + n * interval '1 hour'
      from generate_series(1, 500) n`,
    `create view sales as
      select p.title, sum(o.quantity * p.price) as amount from orders o join products p on p.id = o.product_id group by 1`,
    'grant select on products to reader',
    'reset role',
  ];
}
