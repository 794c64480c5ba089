Creator "a test"
graph
[
  directed 0
  node [ id 10 label "a" ]
  node [ id 11 label "b" ]
  node [ id 12 label "c" ]
  node [ id 13 label "d" ]
  ed