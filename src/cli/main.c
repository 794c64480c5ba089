#include <heed.h>
#include <stdio.h>

int main(void) {
  puts(heed_version());
  return 0;
}
