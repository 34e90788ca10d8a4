#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>

#include "lib/train/data_parallel.h"

namespace tacit::test {

// Whether this build can train in several processes; says that the test is skipped where it cannot.
inline bool can_run() {
  if (!has_data_parallel()) std::cout << "TACIT-SKIP: a build without Gloo's headers" << std::endl;
  return has_data_parallel();
}

// A port that nobody listens on.
inline int64_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace tacit::test
