Creator "a test"
graph
[
  directed 0
  node [ id 10 label "a" ]
  node [ id 11 label "b" ]
  node [ id 12 label "c" ]
  node [ id 13 label "d" ]
  edge [ source 10 target 11 weight 2 ]
  edge [ source 11 target 12 weight 0.5 ]
  edge [ source 12 target 13 weight 3 ]
  edge [ source 10 target 12 weight 1 ]
]
