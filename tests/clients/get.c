/* Plain blocking sockets, linked statically, with the timeouts of the socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int count, char **arguments) {
  char host[64], path[256], request[512], answer[64] = "";
  int port, status;
  if (count != 3 || sscanf(arguments[1], "http://%63[^:]:%d%255s", host, &port, path) != 3) return 2;
  struct timeval patience = {.tv_sec = atoi(arguments[2])};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &to.sin_addr);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  long started = milliseconds();
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nhost: %s:%d\r\n\r\n", path, host, port);
  if (connect(connection, (struct sockaddr *)&to, sizeof to) == 0 &&
      send(connection, request, strlen(request), MSG_NOSIGNAL) > 0 &&
      recv(connection, answer, sizeof answer - 1, 0) > 0 && sscanf(answer, "HTTP/1.1 %d", &status) == 1) {
    printf("%d\n", status);
    return 0;
  }
  printf("failed %ld %s\n", milliseconds() - started, strerror(errno));
  return 0;
}
