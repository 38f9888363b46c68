# Opens the sockets that are named, PROTOCOL,ADDRESS,PORT[,OPTION], says so, and holds them.
use strict;
use warnings;
use Socket qw(:all);

$| = 1;
my @held;
for (@ARGV) {
    my ($protocol, $address, $port, $option) = (split(/,/), '');
    my $is_v6 = $address =~ /:/;
    my $family = $is_v6 ? AF_INET6 : AF_INET;
    my $type = $protocol eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM;
    socket(my $socket, $family, $type, 0) or die "socket: $!";
    if ($option eq 'v6only') {
        setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, pack('i', 1)) or die "v6only: $!";
    }
    # Addresses that need an interface are those of the first, lo.
    my $name = $is_v6
        ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $address), $address =~ /^f[ef]/ ? 1 : 0)
        : pack_sockaddr_in($port, inet_aton($address));
    if ($option eq 'connect') {
        connect($socket, $name) or die "connect $_: $!";
    } else {
        bind($socket, $name) or die "bind $_: $!";
        $protocol eq 'udp' or listen($socket, 5) or die "listen: $!";
    }
    push @held, $socket;
}
print "ready\n";
sleep;
